"""The figures of all processes of a machine, in files of one folder.

Each process has files of its own, in the format of prometheus-client's multi-process mode, and
holds a lock on a file beside them. The system frees the lock if the process ends in any way, so
nobody has to take note of a start, an end or a process id that is used again; a paused process is
not dead. Whoever reads adds the counters of the dead to two common files, so that sums never fall,
and drops what the dead had set.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_SUMMED = ("counter", "histogram")
_PREFIXES = (*_SUMMED, "gauge_livesum", "gauge_livemax", "gauge_livemin")
# Reserved on the disk from the start, as the library maps its files into memory: if the disk were
# full when a page is written first, the system would kill the process.
_FILE_BYTES = 2**21
# The lock of the folder is held for milliseconds.
LOCKED_FOR_S = 2.0


class MetricFiles:
    """OSError if the folder cannot be written, or has no room. TimeoutError is one, too."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
        with self._alone():
            if not any(_is_held(path) for path in folder.glob("*.alive")):
                self._clear()
            # Never closed: this process counts until it has ended.
            self._alive = self._live()
        # The library asks for nothing else to find its folder.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)

    def read(self) -> list[Metric]:
        """The figures of all processes, living and dead."""
        with self._alone():
            for path in self._folder.glob("*.alive"):
                if path.stem != self.name and not _is_held(path):
                    self._bury(path)
            return list(MultiProcessCollector(None, str(self._folder)).collect())

    def _live(self) -> IO[bytes]:
        alive = (self._folder / f"{self.name}.alive").open("wb")
        try:
            fcntl.flock(alive, fcntl.LOCK_EX)
            for prefix in _PREFIXES:
                with self._file(prefix, self.name).open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)
        except OSError:
            alive.close()
            self._forget(self.name)
            raise
        return alive

    def _bury(self, alive: Path) -> None:
        mark_process_dead(alive.stem, str(self._folder))
        for prefix in _SUMMED:
            dead, common = (self._file(prefix, name) for name in (alive.stem, "dead"))
            if not dead.exists():
                continue
            if not common.exists():
                dead.rename(common)  # its room on the disk is reserved
                continue
            _add(dead, common)
            dead.unlink()
        self._forget(alive.stem)

    def _forget(self, name: str) -> None:
        for path in (*self._folder.glob(f"*_{name}.db"), self._folder / f"{name}.alive"):
            path.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Begin anew if no process runs: sums may begin at zero whenever all processes do."""
        for path in (*self._folder.glob("*.db"), *self._folder.glob("*.alive")):
            path.unlink()

    def _file(self, prefix: str, name: str) -> Path:
        return self._folder / f"{prefix}_{name}.db"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process reads, starts or buries meanwhile. Counting goes on. TimeoutError if
        another one keeps the lock, because it was paused just then."""
        until = time.monotonic() + LOCKED_FOR_S
        with (self._folder / "lock").open("wb") as lock:
            while not _lock(lock):
                if time.monotonic() > until:
                    raise TimeoutError("another process keeps the lock of the figures")
                time.sleep(0.01)
            yield


def _is_held(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return not _lock(file)
    return False


def _lock(file: IO[bytes]) -> bool:
    """Lock the file, until it is closed; False if it is locked by another process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add(dead: Path, common: Path) -> None:
    sums = MmapedDict(str(common))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(dead)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()
