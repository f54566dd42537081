"""Messages of the make targets: one line for each step, and one line if something is missing."""

from __future__ import annotations

import sys
from typing import NoReturn


def note(text: str) -> None:
    print(f"facerec: {text}", flush=True)


def stop(text: str) -> NoReturn:
    """End the program with one line that tells the user what to do."""
    sys.stdout.flush()
    raise SystemExit(f"facerec: {text}")
