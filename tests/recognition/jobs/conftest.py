from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recognition.jobs import kinds
from tests.databases import database_url
from tests.recognition.jobs.kinds_for_tests import TEST_KINDS
from tests.recognition.jobs.workers import StartWorker, Worker, start_worker_process


@pytest.fixture
def kinds_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds kinds of jobs that only tests use."""
    for name, kind in TEST_KINDS.items():
        monkeypatch.setitem(kinds.KINDS, name, kind)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts worker processes, which end with the test. port: of a line to the database; others
    are variables of the environment."""
    workers: list[Worker] = []

    def start(*, port: int | None = None, **more: str) -> Worker:
        workers.append(start_worker_process(database_url(port=port), tmp_path, **more))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()
        worker.stdout.close()
