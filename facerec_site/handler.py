"""Django behind ASGI, with every request in one thread from the first middleware to the last.

Nothing here is asynchronous, and Django's own handler hands a request back and forth between the
event loop and a thread at every middleware: that cost several milliseconds of each request, all of
them in the loop's thread, which websockets share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler


class OneThreadHandler(ASGIHandler):
    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002
        super().load_middleware(is_async=False)
        chain: Callable[..., Any] = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)


def get_application() -> OneThreadHandler:
    """In place of `django.core.asgi.get_asgi_application`."""
    django.setup(set_prefix=False)
    return OneThreadHandler()
