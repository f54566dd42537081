"""Commits in tests, whose own transaction is rolled back: what waits for a commit would never run.

Requests of the clients in `tests.callers` end with their commit, and so do the services that a test
module imports (`commit_services`). For anything else there is `committed`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
from django.db import connection
from django.test import TestCase


@contextmanager
def committed() -> Iterator[None]:
    """A block, or with `@committed()` a function, at whose end everything runs that waits for the
    commit.

    Changes nothing outside a transaction: with `django_db(transaction=True)` commits are real.
    """
    if not connection.in_atomic_block:
        yield
        return
    with TestCase.captureOnCommitCallbacks(execute=True):
        yield


def commit_services(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each service that `module` has imported run the steps after its commit."""
    for name, value in list(vars(module).items()):
        if _is_service(value):
            monkeypatch.setattr(module, name, committed()(value))


def _is_service(value: object) -> bool:
    if not inspect.isfunction(value) or inspect.isgeneratorfunction(value):
        return False
    parts = value.__module__.split(".")
    return parts[0] == "recognition" and "services" in parts


class FailedSteps(logging.Handler):
    """Collects the steps after a commit that failed. They are only logged, not raised."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def expect(self, *words: str) -> None:
        """Check that exactly these steps failed, in this order. Each is a part of a log message."""
        told = [str(record.exc_info[1]) for record in self.records if record.exc_info]
        self.records.clear()
        assert len(told) == len(words), told
        assert all(word in text for word, text in zip(words, told, strict=True)), told
