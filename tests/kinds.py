"""What a test uses beside Python, as its markers and fixtures say."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from django.test import TransactionTestCase

# Fixtures of pytest-django through which a test reaches the database.
_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# A test with one of these is no unit test.
SLOW_MARKERS = ("weights", "data", "peers", "browser", "redis", "process", "tensorflow")


def uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("django_db") is not None:
        return True
    if not _DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    cls = getattr(item, "cls", None)
    return isinstance(cls, type) and issubclass(cls, TransactionTestCase)


def is_unit_test(item: pytest.Item) -> bool:
    """Neither database nor weights, processes or a browser."""
    return not uses_database(item) and not any(map(item.get_closest_marker, SLOW_MARKERS))


def refuse_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a unit test that starts one fail: it needs the marker `process`."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("mark this test `process`: it starts one")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
