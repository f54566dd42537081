"""The figures of several processes in one folder, of which some are killed or paused."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
