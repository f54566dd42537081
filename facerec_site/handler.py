"""Django behind ASGI, with every request in one thread from the first middleware to the last.

Nothing here is asynchronous, and Django's own handler hands a request back and forth between the
event loop and a thread at every middleware: that cost several milliseconds of each request, all of
them in the loop's thread, which websockets share. Django also writes the temporary file of a large
body in that thread.
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
        """The whole body: in memory if it is small, else in a file that a thread writes."""
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
    """In place of `django.core.asgi.get_asgi_application`."""
    django.setup(set_prefix=False)
    return OneThreadHandler()
