"""Django's ASGI handler, changed so that each request runs in one thread through all middleware.

Our middleware and views are synchronous. Django's own handler would pass a request between the
event loop and a thread at every middleware. That costs several milliseconds per request in the
thread of the event loop, which websockets also use. Django's handler also writes the temporary file
of a large body in that thread.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler


class OneThreadHandler(ASGIHandler):
    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002
        super().load_middleware(is_async=False)
        chain: Callable[..., Any] = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)

    async def read_body(self, receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> IO[bytes]:
        """Read the whole body: into memory if it is small, otherwise into a file, written by
        another thread."""
        most = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        body = tempfile.SpooledTemporaryFile(max_size=most)  # noqa: SIM115
        try:
            while (message := await receive())["type"] != "http.disconnect":
                piece = message.get("body", b"")
                if body.tell() + len(piece) <= most:
                    body.write(piece)
                else:
                    await asyncio.to_thread(body.write, piece)
                if not message.get("more_body", False):
                    body.seek(0)
                    return body
            raise RequestAborted
        except BaseException:
            body.close()
            raise


def get_application() -> OneThreadHandler:
    """Replaces `django.core.asgi.get_asgi_application`."""
    django.setup(set_prefix=False)
    return OneThreadHandler()
