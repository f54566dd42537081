"""A process that makes rows in the database of the site, because its start takes seconds.

Each line of its input names a function of `tests.e2e.rows` and its arguments; it answers with a
line that has what the function returns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.programs import ROOT


class Hand:
    """environment: that of the site."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.hand"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def make(self, name: str, **arguments: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        print(json.dumps([name, arguments]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings"
    import django

    django.setup()

    from tests.e2e import rows

    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(getattr(rows, name)(**arguments)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
