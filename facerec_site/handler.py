"""Django's ASGI handler, changed so that each request runs in one thread, in one go.

Our middleware and views are synchronous. Django's own handler starts a thread and opens a
connection to the database for every request, passes the request between this thread and the event
loop at least four times, and writes the temporary file of a large body in the thread of the event
loop, which websockets also use. Here a request borrows a thread that earlier requests have used,
with its open connection, and is passed to it once.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import django
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from facerec_site.request_threads import RequestThreads
from recognition.web.boundaries import AsgiDict

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class OneThreadHandler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._threads = RequestThreads()

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002
        super().load_middleware(is_async=False)

    async def __call__(self, scope: AsgiDict, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        response = await self._threads.run(lambda: self._answered(scope, body))
        if isinstance(response, StreamingHttpResponse):
            await self._stream(response, receive, send)
        else:
            await self.send_response(response, send)

    def _answered(self, scope: AsgiDict, body: IO[bytes]) -> HttpResponseBase:
        """In the thread of the request. A response that is not streamed is complete and closed."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        with body:
            request, refused = self.create_request(scope, body)
            response = refused if request is None else self.get_response(request)
            assert response is not None  # one of the two is there
            if not response.streaming:
                response.close()  # ends the request: Django looks after its connection
        return response

    async def _stream(self, response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
        """Send the parts, each produced in the same thread, until the client has left."""
        async with ThreadSensitiveContext():
            sending = asyncio.create_task(self.send_response(response, send))
            leaving = asyncio.create_task(self.listen_for_disconnect(receive))
            try:
                await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (leaving, sending):
                    task.cancel()
                results = await asyncio.gather(sending, leaving, return_exceptions=True)
                await sync_to_async(_end)(response)
        if isinstance(results[0], Exception):
            raise results[0]

    async def read_body(self, receive: Receive) -> IO[bytes]:
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


def _end(response: StreamingHttpResponse) -> None:
    response.close()
    connections.close_all()  # the thread ends with the response


def get_application() -> OneThreadHandler:
    """Replaces `django.core.asgi.get_asgi_application`."""
    django.setup(set_prefix=False)
    return OneThreadHandler()
