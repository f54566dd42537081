from __future__ import annotations

import pytest

from tests.callers import Caller, with_key


@pytest.fixture
def api(db: None) -> Caller:
    """A program whose key has every scope."""
    return with_key()
