"""Tells from its markers, fixtures, imports and folder what a test needs besides Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from django.test import TransactionTestCase

# Fixtures of pytest-django through which a test reaches the database.
_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# A test with one of these is no unit test.
_MARKERS = ("weights", "data", "peers", "browser", "redis", "tensorflow", "simulation")
# Folders of tests that start processes, or most of them do.
_FOLDERS = frozenset({"benchmarks", "e2e", "facerec_site", "tools"})
_TESTS = Path(__file__).resolve().parent
# With these a test starts processes or speaks to servers, and waits for them.
_OUTWARD = {
    "http.server",
    "ml_engine.formats.isolation",
    "socket",
    "socketserver",
    "subprocess",
    "zmq",
}
# Every test has its fixtures.
_OF_ALL = "tests.conftest"


def uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("django_db") is not None:
        return True
    if not _DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    cls = getattr(item, "cls", None)
    return isinstance(cls, type) and issubclass(cls, TransactionTestCase)


def is_unit_test(item: pytest.Item) -> bool:
    """True if the test needs no database, weights, server, process or browser, and no seconds."""
    if uses_database(item) or any(map(item.get_closest_marker, _MARKERS)):
        return False
    return may_hold_unit_tests(item.path) and not any(map(_is_outward, _modules(item)))


def may_hold_unit_tests(path: Path) -> bool:
    """False for a file or folder of `tests/` whose tests start processes."""
    return not path.is_relative_to(_TESTS) or _FOLDERS.isdisjoint(
        path.relative_to(_TESTS).parts[:1]
    )


def _modules(item: pytest.Item) -> Iterator[str]:
    """The names of the modules of the test, and of those of its fixtures that are ours."""
    if isinstance(item, pytest.Function):
        yield item.function.__module__
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            names = (definition.func.__module__ for definition in definitions)
            yield from (name for name in names if name.startswith("tests.") and name != _OF_ALL)


@cache
def _is_outward(name: str) -> bool:
    """True if this module of tests, or another one that it takes something from, starts processes
    or servers."""
    seen, left = {name}, [name]
    while left:
        homes = set(_homes(left.pop()))
        if homes & _OUTWARD:
            return True
        more = {home for home in homes - seen if home.startswith("tests.")}
        seen |= more
        left += more
    return False


def _homes(name: str) -> Iterator[str]:
    """The modules that a module has imported, and those of its classes and functions."""
    for value in vars(sys.modules[name]).values():
        if isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(value, type | FunctionType):
            yield value.__module__
