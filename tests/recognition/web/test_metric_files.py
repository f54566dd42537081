"""The figures of several processes in one folder, of which some are killed or paused."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from recognition.web import metric_files
from recognition.web.metric_files import MetricFiles
from tests.facerec_site.figures import value

_COUNTS = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from recognition.web.metric_files import MetricFiles
files = MetricFiles(Path(sys.argv[1]))
values.ValueClass = values.MultiProcessValue(lambda: files.name)
none = CollectorRegistry()
Counter("calls_total", "", ["kind"], registry=none).labels("a").inc(3)
Histogram("took", "", ["kind"], registry=none, buckets=(1, 2)).labels("a").observe(1.5)
Gauge("waiting", "", ["kind"], registry=none, multiprocess_mode="livesum").labels("a").set(7)
Gauge("most", "", ["kind"], registry=none, multiprocess_mode="livemax").labels("a").set(7)
print("counted", flush=True)
sys.stdin.read()
"""

Begin = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def begin(folder: Path) -> Iterator[Begin]:
    """Start a process that counts 3 calls and stays."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, "-c", _COUNTS, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(made)
        assert made.stdout
        assert made.stdout.readline() == "counted\n"
        return made

    yield begin
    for each in started:
        each.send_signal(signal.SIGCONT)
        each.kill()
        each.wait()


def _read(files: MetricFiles) -> dict[str, float]:
    found: dict[str, Any] = {metric.name: metric for metric in files.read()}
    samples = ("calls_total", "took_count", "took_sum", "waiting", "most")
    return {name: value(found, name) for name in samples}


ONE = {"calls_total": 3, "took_count": 1, "took_sum": 1.5, "waiting": 7, "most": 7}


def test_sums_are_of_all_processes(folder: Path, begin: Begin) -> None:
    files = MetricFiles(folder)
    begin(), begin()
    assert _read(files) == {
        "calls_total": 6, "took_count": 2, "took_sum": 3.0, "waiting": 14, "most": 7,
    }  # fmt: skip


def test_counters_of_a_killed_process_stay_and_what_it_had_set_goes(
    folder: Path, begin: Begin
) -> None:
    files = MetricFiles(folder)
    one, _ = begin(), begin()
    before = _read(files)
    one.kill()
    one.wait()
    after = _read(files)
    assert {**before, "waiting": 7} == after == _read(files)
    assert len(list(folder.glob("*.alive"))) == 2


def test_files_do_not_pile_up_with_the_dead(folder: Path, begin: Begin) -> None:
    files = MetricFiles(folder)
    for _ in range(3):
        dead = begin()
        dead.kill()
        dead.wait()
        count = len(list(folder.iterdir()))
        calls = _read(files)["calls_total"]
    assert calls == 9
    assert len(list(folder.iterdir())) < count


def test_paused_process_is_not_dead(folder: Path, begin: Begin) -> None:
    files = MetricFiles(folder)
    begin().send_signal(signal.SIGSTOP)
    assert _read(files) == ONE


def test_process_that_is_paused_with_the_lock_holds_nobody_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = MetricFiles(folder)
    monkeypatch.setattr(metric_files, "LOCKED_FOR_S", 0.0)
    with files._alone():
        for blocked in (files.read, lambda: MetricFiles(folder)):
            with pytest.raises(TimeoutError):
                blocked()


class Killed(BaseException):
    pass


def _leave(folder: Path, name: str) -> None:
    """What a process leaves that counted 3 calls, set 7 and ended."""
    (folder / f"{name}.alive").touch()
    for prefix, sample, number in [("counter", "calls_total", 3), ("gauge_livesum", "waiting", 7)]:
        values = MmapedDict(str(folder / f"{prefix}_{name}.db"))
        values.write_value(mmap_key(sample, sample, [], [], ""), number, 0.0)
        values.close()


def test_kill_at_any_step_of_a_burial_counts_the_dead_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = MetricFiles(folder)
    steps_left = itertools.count()

    def killed_at_last(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if next(steps_left) == killed_at:
                raise Killed
            return step(*args, **options)

        return run

    for killed_at in itertools.count():
        for name in ("1-a", "2-b"):
            _leave(folder, name)
        steps_left = itertools.count()
        with monkeypatch.context() as patch:
            for owner, name in [(Path, "unlink"), (Path, "rename"), (shutil, "copyfile"),
                                (MmapedDict, "write_value")]:  # fmt: skip
                patch.setattr(owner, name, killed_at_last(getattr(owner, name)))
            try:
                files.read()
                was_killed = False
            except Killed:
                was_killed = True
        found = _read(files)
        assert (found["calls_total"], found["waiting"]) == (6 * (killed_at + 1), 0), killed_at
        if not was_killed:
            break
    assert killed_at > 6


def test_read_only_disk_leaves_the_figures_readable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    opened = Path.open

    def open_to_read(path: Path, mode: str = "r", *args: Any) -> Any:
        return opened(path, mode, *args) if mode in ("r", "rb") else refuse()

    files = MetricFiles(folder)
    _leave(folder, "1-a")
    for name in ("unlink", "rename"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr(Path, "open", open_to_read)
    assert {name: _read(files)[name] for name in ("calls_total", "waiting")} == {
        "calls_total": 3, "waiting": 0,
    }  # fmt: skip


def test_process_that_was_killed_at_its_start_holds_nobody_up(folder: Path) -> None:
    files = MetricFiles(folder)
    _leave(folder, "1-a")
    files.read()
    (folder / "2-b.alive").touch()
    (folder / "counter_2-b.db").touch()
    assert _read(files)["calls_total"] == 3
    assert not list(folder.glob("*2-b*"))


def test_first_process_of_the_machine_begins_anew(folder: Path, begin: Begin) -> None:
    dead = begin()
    dead.kill()
    dead.wait()
    assert _read(MetricFiles(folder)) == dict.fromkeys(ONE, 0)


def test_files_have_their_room_on_the_disk_from_the_start(folder: Path) -> None:
    """A page of a mapped file that finds no room ends the process with SIGBUS."""
    files = MetricFiles(folder)
    made = list(folder.glob(f"*_{files.name}.db"))
    assert made
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size > 0 for path in made)
    assert folder.stat().st_mode & 0o077 == 0
