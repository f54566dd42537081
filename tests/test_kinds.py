"""Which tests are unit tests, and which folders the parts of a run import."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kinds import _is_outward
from tests.plugins import parts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests.recognition.notices.receivers", True),  # http.server
        ("tests.recognition.cameras.network", True),  # takes one from another module
        ("tests.recognition.jobs.workers", True),  # starts processes by `tests.programs`
        ("tests.fakes", False),
        ("tests.ml_engine.vectors", False),
    ],
)
def test_helpers_that_start_servers_or_processes_are_outward(name: str, expected: bool) -> None:
    import_module(name)
    assert _is_outward(name) is expected


@pytest.mark.parametrize(
    ("only", "imported"),
    [
        ("SQLite", {"accounts", "recognition", "test_commits.py"}),
        ("browser", {"e2e"}),
        ("others", {"accounts", "recognition", "test_commits.py", "ml_engine", "tools"}),
        (None, {"accounts", "recognition", "test_commits.py", "ml_engine", "tools", "e2e"}),
    ],
)
def test_part_imports_no_folder_of_another_part(only: str | None, imported: set[str]) -> None:
    config: Any = SimpleNamespace(getoption=lambda _: only)
    folders = {"accounts", "recognition", "test_commits.py", "ml_engine", "tools", "e2e"}
    left = {f for f in folders if parts.pytest_ignore_collect(parts._TESTS / f, config)}
    assert folders - left == imported
