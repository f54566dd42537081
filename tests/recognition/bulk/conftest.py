from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import database_url
from tests.recognition.jobs.workers import StartWorker, Worker, start_worker_process


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts processes that run imports and exports, which end with the test."""
    workers: list[Worker] = []

    def start(**more: str) -> Worker:
        module = "tests.recognition.bulk.work"
        workers.append(start_worker_process(database_url(), tmp_path, module=module, **more))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()
        worker.stdout.close()
