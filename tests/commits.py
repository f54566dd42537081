"""What waits for a commit, in tests whose own transaction is rolled back."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.test import TestCase


def committed() -> AbstractContextManager[object]:
    """A block, or a function (`@committed()`), at whose end that runs which waits for the commit.

    The clients of `tests.callers` do it with each request; use it around calls of services. In a
    test marked `django_db(transaction=True)` commits are real, and it changes nothing.
    """
    return TestCase.captureOnCommitCallbacks(execute=True)
