from __future__ import annotations

import pytest

from recognition.jobs import kinds
from tests.recognition.jobs.kinds_for_tests import TEST_KINDS


@pytest.fixture
def test_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds of `kinds_for_tests` beside those of the site."""
    for name, kind in TEST_KINDS.items():
        monkeypatch.setitem(kinds.KINDS, name, kind)
