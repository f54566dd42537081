"""`manage.py serve` with a record of what network cameras were answered: RECORD, and the arguments
of `serve`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path


def main(record: str, *arguments: str) -> None:
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    from benchmarks.cameras.recorded import begin_record
    from recognition.cameras.sources import KINDS, NETWORK

    begin_record(Path(record))
    source = "benchmarks.cameras.recorded.RecordedCamera"
    KINDS[NETWORK] = replace(KINDS[NETWORK], source=source)
    execute_from_command_line(["manage.py", "serve", *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
