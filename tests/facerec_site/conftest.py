"""What tests of the served site share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.facerec_site.site import Served


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start another one; it is killed if it is still there in the end."""
    started: list[Served] = []

    def begin(*arguments: str, **environment: str) -> Served:
        started.append(Served(tmp_path / "var", *arguments, **environment))
        return started[-1]

    yield begin
    for served in started:
        served.kill()
