"""`python -m tools.run_tests [pytest arguments]`: all tests on SQLite, then again on a private
MariaDB those that use a database; with a private Redis beside both.

What pytest prints of the second run comes last. The exit status is that of the first run that
failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.messages import note
from tools.prepare import ROOT
from tools.private_mariadb import private_mariadb
from tools.private_redis import private_redis
from tools.system import CHROMIUM_NAMES, find_program

# No test was selected: of the second run that is no failure when tests were named.
NO_TESTS = 5


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    ensure_browser()
    subprocess.run([sys.executable, "-m", "tools.weights", "--all"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="facerec-tests-") as name:
        folder = Path(name)
        with (
            private_redis(folder / "redis") as redis_url,
            private_mariadb(folder / "mariadb", is_disposable=True) as database_url,
        ):
            base = {"REDIS_URL_TEST": redis_url, "ENV_FILE": os.devnull}
            first = run_pytest("SQLite", folder, base, arguments)
            second = run_pytest(
                "MariaDB",
                folder,
                {**base, "DATABASE_URL": database_url},
                ["-p", "tests.plugins.database_tests", *arguments],
            )
    if first:
        note("tests failed on SQLite; see above")
    return first or (0 if second == NO_TESTS and arguments else second)


def ensure_browser() -> None:
    """Where the system brings no Chromium outside a snap: the one that Playwright fetches."""
    if find_program(*CHROMIUM_NAMES) is None:
        note("fetching Chromium")
        command = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
        subprocess.run(command, check=True)


def run_pytest(database: str, folder: Path, extra: dict[str, str], arguments: list[str]) -> int:
    note(f"tests on {database}")
    started = time.monotonic()
    environment = {
        **{name: value for name, value in os.environ.items() if name not in _SITE_SETTINGS},
        "FACEREC_VAR": str(folder / f"var-{database.lower()}"),
        **extra,
    }
    command = [sys.executable, "-m", "pytest", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if database == "SQLite":
        note(f"tests on SQLite took {time.monotonic() - started:.0f} s, exit status {status}")
    return status


# What would point the tests at somebody's own database, or change what they expect.
_SITE_SETTINGS = frozenset(
    {
        "ADMIN_PASSWORD",
        "ALLOWED_HOSTS",
        "API_RATE",
        "DATABASE_URL",
        "HTTPS",
        "REDIS_URL",
        "SECRET_KEY",
        "SIGN_IN_RATE",
    }
)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
