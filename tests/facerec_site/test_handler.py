"""A request stays in one thread, and not in the event loop's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import LazySettings
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from facerec_site import request_threads
from facerec_site.handler import OneThreadHandler
from facerec_site.request_threads import RequestThreads

_seen: list[tuple[str, int]] = []


def _middleware(name: str) -> Callable:
    def made(get_response: Callable) -> Callable:
        def called(request: HttpRequest) -> HttpResponse:
            _seen.append((name, threading.get_ident()))
            return get_response(request)

        return called

    return made


outer, inner = _middleware("outer"), _middleware("inner")


def _view(request: HttpRequest) -> HttpResponse:
    _seen.append(("view", threading.get_ident()))
    return HttpResponse(request.body)


async def _async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("asynchronous")


_ended = threading.Event()


def _endless_view(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield await sync_to_async(lambda: b"more")()
        finally:
            _ended.set()

    return StreamingHttpResponse(parts())


urlpatterns = [
    path("here", _view),
    path("async", _async_view),
    path("endless", _endless_view),
]


def _scope(where: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": where,
        "headers": [(b"host", b"testserver")],
        "query_string": b"",
    }


async def _asked(where: str, body: bytes) -> tuple[int, bytes, int]:
    communicator = ApplicationCommunicator(OneThreadHandler(), _scope(where))
    await communicator.send_input({"type": "http.request", "body": body})
    start = await communicator.receive_output(5)
    answer = await communicator.receive_output(5)
    await communicator.wait(5)
    return start["status"], answer["body"], threading.get_ident()


@pytest.fixture
def chain(settings: LazySettings) -> None:
    _seen.clear()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        f"{__name__}.outer",
        "django.middleware.security.SecurityMiddleware",  # one that would go either way
        f"{__name__}.inner",
    ]


@pytest.mark.usefixtures("chain")
def test_a_request_stays_in_one_thread() -> None:
    status, body, loop_thread = async_to_sync(_asked)("/here", b"hello")
    assert (status, body) == (200, b"hello")
    assert [name for name, _ in _seen] == ["outer", "inner", "view"]
    threads = {thread for _, thread in _seen}
    assert len(threads) == 1
    assert loop_thread not in threads


@pytest.mark.usefixtures("chain")
def test_asynchronous_view_is_answered() -> None:
    assert async_to_sync(_asked)("/async", b"")[:2] == (200, b"asynchronous")


@pytest.mark.usefixtures("chain")
def test_next_request_uses_the_thread_of_the_last_one() -> None:
    async def asked_twice() -> None:
        handler = OneThreadHandler()
        for _ in range(2):
            communicator = ApplicationCommunicator(handler, _scope("/here"))
            await communicator.send_input({"type": "http.request", "body": b""})
            await communicator.receive_output(5)
            await communicator.wait(5)

    async_to_sync(asked_twice)()
    assert len({thread for _, thread in _seen}) == 1


@pytest.mark.usefixtures("chain")
def test_requests_at_the_same_time_do_not_wait_for_each_other() -> None:
    async def ran_together() -> set[int]:
        threads, together = RequestThreads(), threading.Barrier(20)

        def act() -> int:
            together.wait(5)
            return threading.get_ident()

        return set(await asyncio.gather(*(threads.run(act) for _ in range(20))))

    before = threading.active_count()
    assert len(async_to_sync(ran_together)()) == 20
    # Most of these threads end, with their connections.
    _until(lambda: threading.active_count() - before <= 8)


def test_idle_thread_ends_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_threads, "_IDLE_FOR_S", 0.05)
    closed: list[int] = []
    monkeypatch.setattr(
        request_threads.connections, "close_all", lambda: closed.append(threading.get_ident())
    )

    async def ran() -> int:
        thread = await RequestThreads().run(threading.get_ident)
        await asyncio.to_thread(_until, lambda: bool(closed))
        return thread

    thread = async_to_sync(ran)()
    assert closed == [thread]


def test_what_a_request_set_is_forgotten_by_its_thread() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def ran() -> str:
        threads = RequestThreads()
        await threads.run(lambda: name.set("ann"))
        return await threads.run(name.get)

    assert async_to_sync(ran)() == "nobody"


def test_thread_of_a_cancelled_request_is_lent_after_its_end() -> None:
    async def ran() -> tuple[int, int]:
        threads, began, goes_on = RequestThreads(), threading.Event(), threading.Event()
        of_first: list[int] = []

        def first() -> None:
            of_first.append(threading.get_ident())
            began.set()
            goes_on.wait(5)

        cancelled = asyncio.create_task(threads.run(first))
        await asyncio.to_thread(began.wait, 5)
        cancelled.cancel()
        meanwhile = await threads.run(threading.get_ident)
        goes_on.set()
        return of_first[0], meanwhile

    of_first, meanwhile = async_to_sync(ran)()
    assert of_first != meanwhile


@pytest.mark.usefixtures("chain")
def test_streamed_answer_ends_when_the_client_has_left() -> None:
    finished: list[object] = []

    def note(sender: object, **_: object) -> None:
        finished.append(sender)

    request_finished.connect(note)

    async def left() -> None:
        communicator = ApplicationCommunicator(OneThreadHandler(), _scope("/endless"))
        await communicator.send_input({"type": "http.request", "body": b""})
        await communicator.receive_output(5)
        assert (await communicator.receive_output(5))["body"] == b"more"
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait(5)

    _ended.clear()
    async_to_sync(left)()
    assert _ended.is_set()
    assert finished


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not become true within 5 s")
