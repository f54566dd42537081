"""A request stays in one thread, and not in the event loop's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import LazySettings
from django.http import HttpRequest, HttpResponse
from django.urls import path

from facerec_site.handler import OneThreadHandler

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


urlpatterns = [path("here", _view), path("async", _async_view)]


async def _asked(where: str, body: bytes) -> tuple[int, bytes, int]:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": where,
        "headers": [(b"host", b"testserver")],
        "query_string": b"",
    }
    communicator = ApplicationCommunicator(OneThreadHandler(), scope)
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
