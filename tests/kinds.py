"""Tells from its markers, fixtures, imports and folder what a test needs besides Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType

import pytest
from django.test import TransactionTestCase

# Fixtures of pytest-django through which a test reaches the database.
_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# A test with one of these is no unit test.
_MARKERS = ("weights", "data", "peers", "browser", "redis", "tensorflow", "simulation")
# Most tests of these folders start processes.
_FOLDERS = ("benchmarks", "e2e", "facerec_site", "tools")
# With these a test starts processes or speaks to servers, and waits for them.
_OUTWARD = {"http.server", "socket", "socketserver", "subprocess", "zmq"}


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
    return not set(_FOLDERS) & set(item.path.parts) and not any(map(_is_outward, _modules(item)))


def _modules(item: pytest.Item) -> Iterator[str]:
    """The names of the modules of the test and of its fixtures."""
    if isinstance(item, pytest.Function):
        yield item.function.__module__
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            yield from (definition.func.__module__ for definition in definitions)


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
