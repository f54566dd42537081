"""The parts of `make test`; small programs stand in for pytest."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools import run_tests
from tools.run_tests import FEW, NO_TESTS, Part, Result, run_all, run_parts, worst

WAITS_FOR_THE_OTHER = """
import os, pathlib, sys, time
name, other, folder = sys.argv[1:]
(pathlib.Path(folder) / name).touch()
deadline = time.monotonic() + 60
while not (pathlib.Path(folder) / other).exists():
    assert time.monotonic() < deadline, "the other part did not run beside this one"
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def _no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def redis(folder: Path) -> Iterator[str]:
        folder.mkdir(parents=True)
        yield f"redis://{folder.name}"

    monkeypatch.setattr(run_tests, "private_redis", redis)


def _run_as(monkeypatch: pytest.MonkeyPatch, *programs: tuple[str, ...]) -> list[Part]:
    """Parts A, B, ... that run these programs of Python in place of pytest."""
    commands = {chr(65 + at): [sys.executable, "-c", *code] for at, code in enumerate(programs)}
    monkeypatch.setattr(run_tests, "_command", lambda part: commands[part.name])
    return [Part(name) for name in commands]


def test_two_parts_run_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    waits = [(WAITS_FOR_THE_OTHER, *names, str(tmp_path)) for names in (("a", "b"), ("b", "a"))]
    parts = _run_as(monkeypatch, *waits)
    results = run_parts(parts, tmp_path / "parts", [], at_a_time=2)
    assert results == {"A": Result(0, []), "B": Result(0, [])}


def test_status_and_output_of_each_part_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = _run_as(
        monkeypatch, ("print('said by A')",), ("raise SystemExit(3)",), ("print('said by C')",)
    )
    results = run_parts(parts, tmp_path, [], at_a_time=1)
    assert [result.status for result in results.values()] == [0, 3, 0]
    told = capsys.readouterr().out
    assert "A | said by A\n" in told
    assert "C | said by C\n" in told
    assert "part B took" in told


def test_each_part_has_its_own_folders_and_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://somewhere/else")
    code = (
        "import os; print(*map(os.environ.get, ('FACEREC_VAR', 'REDIS_URL_TEST', 'DATABASE_URL')))"
    )
    _run_as(monkeypatch, (code,), (code,))
    parts = [Part("A", "mysql://here/facerec"), Part("B")]
    run_parts(parts, tmp_path, [], at_a_time=1)
    told = capsys.readouterr().out
    assert f"A | {tmp_path}/a/var redis://a mysql://here/facerec\n" in told
    assert f"B | {tmp_path}/b/var redis://b None\n" in told


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A shell lets what it starts in the background ignore Ctrl-C; pytest may run so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_interrupt_stops_parts_that_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
import signal, sys, pathlib, time
def leave(*_):
    print("took down what it had started")
    sys.exit(2)
signal.signal(signal.SIGINT, leave)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""
    ready = tmp_path / "ready"
    parts = _run_as(monkeypatch, (code, str(ready)))

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_parts(parts, tmp_path / "parts", [], at_a_time=2)
    assert "took down what it had started" in capsys.readouterr().out


FAILS_AT_FIRST = """
import sys
print("FAILED tests/test_gallery.py::test_found - it was busy")
sys.exit("--last-failed" not in sys.argv)
"""
FAILS_ALWAYS = """
import sys
print("\\n".join(["FAILED tests/test_gallery.py::test_found"] * int(sys.argv[1])))
print("looked again" if "--last-failed" in sys.argv else "looked")
sys.exit(int(sys.argv[2]))
"""


def test_failure_that_passes_by_itself_is_named_and_forgiven(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = _run_as(monkeypatch, (FAILS_AT_FIRST,), ("print('said by B')",))
    assert run_all(parts, tmp_path, []) == {"A": 0, "B": 0}
    told = capsys.readouterr().out
    assert "A: FAILED tests/test_gallery.py::test_found - it was busy (passed by itself)" in told
    assert told.count("said by B") == 1


@pytest.mark.parametrize(
    ("failures", "status", "is_looked_at_again"),
    [(1, 1, True), (FEW, 1, True), (FEW + 1, 1, False), (1, 2, False)],
)
def test_few_failures_are_looked_at_again_and_stay_failures(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failures: int,
    status: int,
    is_looked_at_again: bool,
) -> None:
    parts = _run_as(monkeypatch, (FAILS_ALWAYS, str(failures), str(status)))
    assert run_all(parts, tmp_path, []) == {"A": status}
    told = capsys.readouterr().out
    assert ("looked again" in told) is is_looked_at_again
    assert "passed by itself" not in told


@pytest.mark.parametrize(
    ("statuses", "are_named", "expected"),
    [
        ((0, 0), False, 0),
        ((0, 1), False, 1),
        ((2, 1), False, 2),
        ((0, NO_TESTS), False, NO_TESTS),
        ((0, NO_TESTS), True, 0),
        ((NO_TESTS, 1), True, 1),
        ((NO_TESTS, NO_TESTS), True, NO_TESTS),
    ],
)
def test_exit_status_is_that_of_the_first_part_that_failed(
    statuses: tuple[int, ...], are_named: bool, expected: int
) -> None:
    by_name = dict(zip("AB", statuses, strict=False))
    assert worst(by_name, may_be_empty=are_named) == expected
