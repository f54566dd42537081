"""The figures of all processes of a machine, in files of one folder.

Each process has files of its own, in the format of prometheus-client's multi-process mode, and
holds a lock on a file beside them. The system frees the lock if the process ends in any way, so
nobody has to take note of a start, an end or a process id that is used again; a paused process is
not dead. Whoever reads adds the counters of the dead to two common files, so that sums never fall,
and drops what the dead had set. A kill at any moment neither loses a count nor adds it twice.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

_SUMMED = ("counter", "histogram")
_PREFIXES = (*_SUMMED, "gauge_livesum", "gauge_livemax", "gauge_livemin")
# Reserved on the disk from the start, as the library maps its files into memory: if the disk were
# full when a page is written first, the system would kill the process.
_FILE_BYTES = 2**21
# The lock of the folder is held for milliseconds.
LOCKED_FOR_S = 2.0


class MetricFiles:
    """OSError if the folder cannot be written, or has no room; once it is made, only if it is gone.
    TimeoutError is one, too."""

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
            alive = (path for path in self._folder.glob("*.alive") if path.stem != self.name)
            dead = {path.stem for path in alive if not _is_held(path)}
            try:
                self._bury(dead)
            except OSError as error:  # the disk is full or read-only
                logger.warning("what ended processes counted stays in their files: %s", error)
            files = {path for path in self._folder.glob("*.db") if path.stat().st_size}
            for name in dead:
                files.difference_update(self._folder.glob(f"gauge_*_{name}.db"))
            return list(MultiProcessCollector.merge(files))

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

    def _bury(self, dead: Iterable[str]) -> None:
        self._settle()
        for name in dead:
            for prefix in _SUMMED:
                path = self._file(prefix, name)
                # It is empty if the process was killed while it started.
                if path.exists() and path.stat().st_size:
                    self._sum_up(path, self._file(prefix, "dead"), name)
            self._forget(name)

    def _sum_up(self, dead: Path, common: Path, name: str) -> None:
        if not common.exists():
            dead.rename(common)  # its room on the disk is reserved
            return
        made = common.with_suffix(".new")
        shutil.copyfile(common, made)
        _add(dead, made)
        made.rename(f"{common}.{name}")
        self._settle()

    def _settle(self) -> None:
        """Put sums that are ready in the place of both files that they were made of. A sum that
        is not ready has another name, and is made anew."""
        for ready in self._folder.glob("*_dead.db.*"):
            common, name = ready.with_suffix(""), ready.suffix[1:]
            common.with_name(common.name.replace("dead", name)).unlink(missing_ok=True)
            ready.rename(common)

    def _forget(self, name: str) -> None:
        for path in (*self._folder.glob(f"*_{name}.db"), self._folder / f"{name}.alive"):
            path.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Begin anew if no process runs: sums may begin at zero whenever all processes do."""
        for pattern in ("*.db", "*_dead.*", "*.alive"):
            for path in self._folder.glob(pattern):
                path.unlink()

    def _file(self, prefix: str, name: str) -> Path:
        return self._folder / f"{prefix}_{name}.db"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process reads, starts or buries meanwhile. Counting goes on. TimeoutError if
        another one keeps the lock, because it was paused just then."""
        until = time.monotonic() + LOCKED_FOR_S
        with open(self._folder / "lock", "rb", opener=_made_if_missing) as lock:
            while not _lock(lock):
                if time.monotonic() > until:
                    raise TimeoutError("another process keeps the lock of the figures")
                time.sleep(0.01)
            yield


def _made_if_missing(path: str, flags: int) -> int:
    """Not opened to write: the disk may be read-only since the file was made."""
    return os.open(path, flags | os.O_CREAT, 0o600)


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


def _add(dead: Path, made: Path) -> None:
    with made.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)
    sums = MmapedDict(str(made))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(dead)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()
