"""Takes everything that counts for `/metrics` out of a running site, and puts it back; or adds up
the CPU time that counting takes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from facerec_site.metrics.middleware import MetricsMiddleware
from recognition.engine import observed
from recognition.people.index.gallery import Gallery
from recognition.people.services import pictures
from recognition.web import metrics

_COUNTING = ("count", "observe", "put", "observe_stages")


def set_metrics(mode: str) -> None:
    """mode: `with`, `without`, or `added_up`: then `SPENT` has the CPU time of all that counts."""
    for (owner, name), (made, without) in {**_counting_names(), **_REPLACED}.items():
        setattr(owner, name, without if mode == "without" else made)
    for owner, name in _counting_names() if mode == "added_up" else ():
        setattr(owner, name, SPENT.added(getattr(owner, name)))


class Spent(threading.local):
    """Of each thread on its own; its own cost, a microsecond a call, is included."""

    total_ns = 0
    calls = 0

    def __init__(self) -> None:
        self._is_within = False

    def added(self, counted: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> None:
            if self._is_within:
                counted(*args, **options)
                return
            self._is_within = True
            began = time.thread_time_ns()
            counted(*args, **options)
            Spent.total_ns += time.thread_time_ns() - began
            Spent.calls += 1
            self._is_within = False

        return call


SPENT = Spent()


def _nothing(*args: Any, **options: Any) -> None:
    pass


@contextmanager
def _untimed(*args: Any) -> Iterator[None]:
    yield


@contextmanager
def _same(ask: Any) -> Iterator[Any]:
    yield ask


def _straight(self: MetricsMiddleware, request: Any) -> Any:
    return self.get_response(request)


@cache
def _counting_names() -> dict[tuple[Any, str], tuple[Callable[..., Any], Callable[..., Any]]]:
    """Every name in a module that is one of the functions that count. Asked first when the site
    has loaded all modules."""
    functions = {getattr(metrics, name) for name in _COUNTING}
    return {
        (module, name): (value, _nothing)
        for module in list(sys.modules.values())
        for name, value in list(vars(module).items())
        if callable(value) and getattr(value, "__module__", "") == metrics.__name__
        if value in functions
    }


_REPLACED = {
    (MetricsMiddleware, "__call__"): (MetricsMiddleware.__call__, _straight),
    (observed, "_timed"): (observed._timed, _same),
    (pictures, "stage_timed"): (pictures.stage_timed, _untimed),
    (Gallery, "search"): (Gallery.search, Gallery.search.__wrapped__),  # type: ignore[attr-defined]
}
