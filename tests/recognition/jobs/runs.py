"""Running jobs within a test, without a worker's threads."""

from __future__ import annotations

import threading

from recognition.jobs.kinds import KINDS
from recognition.jobs.running import run_next


def run_jobs() -> int:
    """Run the jobs that are due, one after the other; returns the number of attempts."""
    attempts = 0
    while run_next(list(KINDS), threading.Event()):
        attempts += 1
    return attempts
