"""`python -m tools.run_tests [pytest arguments]`: all tests, in three parts.

The tests that use a database run on SQLite and on a private MariaDB, those that use none run once.
On two cores or more two parts run side by side, each with folders, a Redis and a cache of its own.
What pytest prints of a part is shown when the part has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tools.messages import note
from tools.prepare import ROOT
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis
from tools.system import CHROMIUM_NAMES, find_program

# pytest's exit status if no test was selected: no failure of a part when tests were named.
NO_TESTS = 5
# More at a time would wait for each other: the engine and the browser use several cores.
SIDE_BY_SIDE = 2
# What would point the tests at another database, or change what they expect.
_SITE_SETTINGS = frozenset(
    {"ADMIN_PASSWORD", "ALLOWED_HOSTS", "DATABASE_URL", "HTTPS", "REDIS_URL", "SECRET_KEY"}
)


@dataclass(frozen=True, slots=True)
class Part:
    """One run of pytest. `only`: the tests that use a `database`, or the `others`."""

    name: str
    only: str
    database_url: str | None = None


class RunningPart:
    """A part in a process of its own, which writes into a file in `folder`."""

    def __init__(self, part: Part, folder: Path, redis_url: str, arguments: Sequence[str]) -> None:
        self.part = part
        self._output = folder / "output"
        self._started = time.monotonic()
        note(f"tests of the part {part.name} have started; what they print comes at their end")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*_command(part), *arguments],
                cwd=ROOT,
                env=_environment(part, folder, redis_url),
                start_new_session=True,  # Ctrl-C reaches it once, through us
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def status(self) -> int | None:
        """pytest's exit status; None while it runs."""
        return self._process.poll()

    def tell(self) -> None:
        """Show what pytest printed."""
        print(self._output.read_text(errors="replace"))
        took = time.monotonic() - self._started
        note(f"tests of the part {self.part.name} took {took:.0f} s, exit status {self.status}")

    def stop(self) -> None:
        """Let it take down what it started, as Ctrl-C does."""
        if self.status is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self.tell()


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
    with tempfile.TemporaryDirectory(prefix="facerec-tests-") as name, ExitStack() as servers:
        folder = Path(name)
        database_url = servers.enter_context(
            private_mariadb(folder / "mariadb", is_disposable=True)
        )
        parts = [
            Part("MariaDB", "database", database_url),
            Part("SQLite", "database"),
            Part("others", "others"),
        ]
        statuses = run_parts(parts, folder, arguments, at_a_time=min(SIDE_BY_SIDE, cores()))
    return worst(statuses, may_be_empty=bool(arguments))


def run_parts(
    parts: Sequence[Part], folder: Path, arguments: Sequence[str], *, at_a_time: int
) -> dict[str, int]:
    """pytest's exit status of each part, by its name."""
    waiting = list(parts)
    running: list[RunningPart] = []
    statuses: dict[str, int] = {}
    with ExitStack() as stack:
        stack.callback(lambda: [one.stop() for one in running])
        while waiting or running:
            while waiting and len(running) < at_a_time:
                part = waiting.pop(0)
                own = folder / part.name.lower()
                redis_url = stack.enter_context(private_redis(own))
                running.append(RunningPart(part, own, redis_url, arguments))
            for one in list(running):
                if one.status is not None:
                    running.remove(one)
                    one.tell()
                    statuses[one.part.name] = one.status
            time.sleep(0.1)
    return statuses


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
