"""`python -m tools.run_tests [pytest arguments]`: all tests, in three parts.

The tests that use a database run on SQLite and on a private MariaDB, those that use none run once.
They run side by side as far as there are cores, each with folders, a Redis and a cache of its own.
What pytest prints carries the name of its part.
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

# pytest's exit status if no test was selected: no failure of a part when tests were named.
NO_TESTS = 5
# Tests wait a lot, for servers and browsers, so one part more than the usual two cores.
SIDE_BY_SIDE = 3
# What would point the tests at another database, or change what they expect.
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
    """One run of pytest. `only`: the tests that use a `database`, or the `others`."""

    name: str
    only: str
    database_url: str | None = None


class RunningPart:
    """A part in a process of its own; what it prints is shown with the part's name before it."""

    def __init__(self, part: Part, folder: Path, redis_url: str, arguments: Sequence[str]) -> None:
        self.part = part
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*_command(part), *arguments],
            cwd=ROOT,
            env=_environment(part, folder, redis_url),
            start_new_session=True,  # Ctrl-C reaches it once, through us
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._show)
        self._reader.start()

    def wait(self) -> int:
        """pytest's exit status."""
        status = self._process.wait()
        self._reader.join()
        took = time.monotonic() - self._started
        note(f"tests of the part {self.part.name} took {took:.0f} s, exit status {status}")
        return status

    def stop(self) -> None:
        """Let it take down what it started, as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self.wait()

    def _show(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            print(f"{self.part.name} | {line}", end="", flush=True)


def _command(part: Part) -> list[str]:
    cache = f"cache_dir=.pytest_cache/{part.name.lower()}"
    plugin = ["-p", "tests.plugins.database_tests", f"--only={part.only}"]
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
    ensure_browser()
    subprocess.run([sys.executable, "-m", "tools.weights", "--all"], cwd=ROOT, check=True)
    with (
        tempfile.TemporaryDirectory(prefix="facerec-tests-") as name,
        private_mariadb(Path(name) / "mariadb-data", is_disposable=True) as database_url,
    ):
        folder = Path(name)
        parts = [
            Part("others", "others"),
            Part("MariaDB", "database", database_url),
            Part("SQLite", "database"),
        ]
        statuses = run_parts(parts, folder, arguments, at_a_time=min(SIDE_BY_SIDE, cores() + 1))
    return worst(statuses, may_be_empty=bool(arguments))


def run_parts(
    parts: Sequence[Part], folder: Path, arguments: Sequence[str], *, at_a_time: int
) -> dict[str, int]:
    """pytest's exit status of each part, by its name."""
    running: list[RunningPart] = []

    def run(part: Part) -> int:
        own = folder / part.name.lower()
        with private_redis(own) as redis_url:
            running.append(RunningPart(part, own, redis_url, arguments))
            return running[-1].wait()

    with ThreadPoolExecutor(at_a_time) as pool:
        begun = {part.name: pool.submit(run, part) for part in parts}
        try:
            return {name: status.result() for name, status in begun.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for one in running:
                one.stop()
            raise


def worst(statuses: Mapping[str, int], *, may_be_empty: bool) -> int:
    """The exit status of all: of a part that failed, if one did.

    may_be_empty: tests were named, and a part may have none of them; but one must have some.
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
    """If the system brings no Chromium outside a snap: the one that Playwright fetches."""
    if find_program(*CHROMIUM_NAMES) is None:
        note("fetching Chromium")
        command = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
        subprocess.run(command, check=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
