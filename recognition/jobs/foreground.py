"""Commands that run the jobs of their own rows, beside the workers of the site."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from recognition.jobs.owners import Owner, owner_settle
from recognition.jobs.running import run_next

_LOOK_EVERY_S = 1.0


def run_here(kind: str, rows: Sequence[Owner], close: Callable[[Owner], None]) -> None:
    """Run jobs of this kind in this process until those of these rows are over, no matter who runs
    them. Ctrl-C and SIGTERM end it at the next step of a job. close: see `owner_settle`."""
    stopping = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopping.set()) for number in signals]
    try:
        while not stopping.is_set() and any(_is_waiting(row, close) for row in rows):
            if not run_next([kind], stopping):
                stopping.wait(_LOOK_EVERY_S)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _is_waiting(row: Owner, close: Callable[[Owner], None]) -> bool:
    now = type(row)._default_manager.select_related("job").get(pk=row.pk)
    return not owner_settle(now, close) and now.state == now.WAITING
