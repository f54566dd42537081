"""Tells from its markers, fixtures and folder what a test needs besides Python."""

from __future__ import annotations

import pytest
from django.test import TransactionTestCase

# Fixtures of pytest-django through which a test reaches the database.
_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# They start processes.
_PROCESS_FIXTURES = {"rtsp_server"}
# A test with one of these is no unit test.
_MARKERS = ("weights", "data", "peers", "browser", "redis", "tensorflow")
# Most tests of these folders start processes.
_FOLDERS = ("benchmarks", "e2e", "facerec_site", "tools")


def uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("django_db") is not None:
        return True
    if not _DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    cls = getattr(item, "cls", None)
    return isinstance(cls, type) and issubclass(cls, TransactionTestCase)


def is_unit_test(item: pytest.Item) -> bool:
    """True if the test needs no database, weights, processes or browser."""
    if uses_database(item) or any(map(item.get_closest_marker, _MARKERS)):
        return False
    if not _PROCESS_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return False
    module = getattr(item, "module", None)
    return not hasattr(module, "subprocess") and not set(_FOLDERS) & set(item.path.parts)
