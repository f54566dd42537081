"""`python -m tools.run_tests [pytest arguments]`: all tests, in four parts.

The tests that use a database run on SQLite and on a private MariaDB, but for those marked
`only_on`. The others run once: those that drive a browser, and the rest. The parts run in parallel
as far as there are cores, each with its own folders, Redis and cache. Each line of pytest's output
begins with the name of its part. If only a few tests fail, they run once more with the machine to
themselves. The end of the output names them in any case: a test that passes only then waits for a
time instead of a state.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.messages import note
from tools.prepare import ROOT
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis
from tools.system import CHROMIUM_NAMES, find_program

# pytest's exit status if no test was selected. If the user named tests, this is no failure.
NO_TESTS = 5
# pytest's exit status if all tests ran and some failed.
TESTS_FAILED = 1
# If more tests fail, something is broken, and running them again only costs time.
FEW = 10
# All of them, on the usual two cores: tests often wait for servers and browsers.
SIDE_BY_SIDE = 4
# Variables that would point the tests to another database or change what they expect.
_SITE_SETTINGS = frozenset(
    {
        "ADMIN_PASSWORD",
        "ALLOWED_HOSTS",
        "API_RATE",
        "DATABASE_URL",
        "FIELD_KEYS",
        "HTTPS",
        "PYTHONDONTWRITEBYTECODE",  # without bytecode, collecting takes twice as long
        "REDIS_URL",
        "SECRET_KEY",
        "SIGN_IN_RATE",
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of pytest; see `tests.plugins.parts`."""

    name: str
    database_url: str | None = None


class RunningPart:
    """A part that runs in its own process. Each line of its output gets the name of the part."""

    def __init__(self, part: Part, folder: Path, redis_url: str, arguments: Sequence[str]) -> None:
        self.part = part
        self.failures: list[str] = []
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*_command(part), *arguments],
            cwd=ROOT,
            env=_environment(part, folder, redis_url),
            start_new_session=True,  # so that Ctrl-C reaches it only through us
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._show)
        self._reader.start()

    def wait(self) -> int:
        """Wait for the end; returns pytest's exit status."""
        status = self._process.wait()
        self._reader.join()
        took = time.monotonic() - self._started
        note(f"tests of the part {self.part.name} took {took:.0f} s, exit status {status}")
        return status

    def stop(self) -> None:
        """Interrupt pytest like Ctrl-C, so that it stops the servers that it has started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self.wait()

    def _show(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            print(f"{self.part.name} | {line}", end="", flush=True)
            if line.startswith(("FAILED ", "ERROR ")):  # a line of pytest's summary
                self.failures.append(line.rstrip())


def _command(part: Part) -> list[str]:
    cache = f"cache_dir=.pytest_cache/{part.name.lower()}"
    plugin = ["-p", "tests.plugins.parts", f"--only={part.name}"]
    return [sys.executable, "-m", "pytest", "-o", cache, *plugin]


def _environment(part: Part, folder: Path, redis_url: str) -> dict[str, str]:
    own = {
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": str(folder / "var"),
        "REDIS_URL_TEST": redis_url,
    }
    if part.database_url is not None:
        own["DATABASE_URL"] = part.database_url
    inherited = {k: value for k, value in os.environ.items() if k not in _SITE_SETTINGS}
    return inherited | own


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    # In the background of a shell it is ignored, by us and by the parts.
    signal.signal(signal.SIGINT, _interrupt)
    ensure_browser()
    subprocess.run([sys.executable, "-m", "tools.weights", "--all"], cwd=ROOT, check=True)
    with (
        tempfile.TemporaryDirectory(prefix="facerec-tests-") as name,
        private_mariadb(Path(name) / "mariadb-data", is_disposable=True) as database_url,
    ):
        folder = Path(name)
        parts = [
            Part("browser"),
            Part("MariaDB", database_url),
            Part("SQLite"),
            Part("others"),
        ]
        statuses = run_all(parts, folder, arguments)
    return worst(statuses, may_be_empty=bool(arguments))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a part. status: the exit status of pytest. failures: lines of its summary."""

    status: int
    failures: Sequence[str] = ()

    @property
    def is_worth_another_look(self) -> bool:
        return self.status == TESTS_FAILED and len(self.failures) <= FEW


def run_all(parts: Sequence[Part], folder: Path, arguments: Sequence[str]) -> dict[str, int]:
    """pytest's exit status of each part, by its name: that of the second run, if there was one."""
    at_a_time = min(SIDE_BY_SIDE, cores() + 2)
    results = run_parts(parts, folder / "first", arguments, at_a_time=at_a_time)
    statuses = {name: result.status for name, result in results.items()}
    if again := [part for part in parts if results[part.name].is_worth_another_look]:
        note("the tests that failed run once more, by themselves")
        arguments = [*arguments, "--last-failed"]
        second = run_parts(again, folder / "second", arguments, at_a_time=1)
        statuses |= {name: result.status for name, result in second.items()}
    for name, result in results.items():
        for failure in result.failures:
            note(f"{name}: {failure}{'' if statuses[name] else ' (passed by itself)'}")
    return statuses


def run_parts(
    parts: Sequence[Part], folder: Path, arguments: Sequence[str], *, at_a_time: int
) -> dict[str, Result]:
    """The result of each part, by the name of the part."""
    running: list[RunningPart] = []

    def run(part: Part) -> Result:
        own = folder / part.name.lower()
        with private_redis(own) as redis_url:
            one = RunningPart(part, own, redis_url, arguments)
            running.append(one)
            return Result(one.wait(), one.failures)

    with ThreadPoolExecutor(at_a_time) as pool:
        begun = {part.name: pool.submit(run, part) for part in parts}
        try:
            return {name: result.result() for name, result in begun.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for one in running:
                one.stop()
            raise


def worst(statuses: Mapping[str, int], *, may_be_empty: bool) -> int:
    """The exit status of the whole run: the one of the first part that failed, or 0.

    may_be_empty: the user named tests, so a part may have none of them, but not all parts.
    """
    empty = {name for name, status in statuses.items() if status == NO_TESTS and may_be_empty}
    if len(empty) == len(statuses):
        return NO_TESTS
    failed = {name: status for name, status in statuses.items() if status and name not in empty}
    for name in failed:
        note(f"tests of the part {name} failed; see above")
    return next(iter(failed.values()), 0)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ensure_browser() -> None:
    """If the system has no Chromium (one in a snap does not count), let Playwright install one."""
    if find_program(*CHROMIUM_NAMES) is None:
        note("fetching Chromium")
        command = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
        subprocess.run(command, check=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
