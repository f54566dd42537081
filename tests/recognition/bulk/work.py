"""A worker for tests: the command, with a fake engine, and a few kinds of jobs alone.

KILL_AT=NAME:WHEN:COUNT kills it before or after the COUNT-th call of the function NAME, a dotted
name as the caller knows it. PAUSE_S: of the engine, for each photo.
"""

from __future__ import annotations

import os
import signal
import time
from importlib import import_module
from typing import Any

_KINDS = {"import", "export", "recording", "convert_clip", "model_change", "training"}


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    import django

    django.setup()

    from django.core.management import call_command

    from recognition.jobs.kinds import KINDS

    for name in set(KINDS) - _KINDS:
        del KINDS[name]
    _fake_engine(float(os.environ.get("PAUSE_S", "0")))
    if kill_at := os.environ.get("KILL_AT"):
        _kill_at(*kill_at.split(":"))
    call_command("work", node="test")


def _fake_engine(pause_s: float) -> None:
    from recognition.engine import host
    from tests.fakes import FakeEngine

    class SlowEngine(FakeEngine):
        def find(self, *args: Any, **options: Any) -> Any:
            time.sleep(pause_s)
            return super().find(*args, **options)

    def load(config: object) -> FakeEngine:
        return SlowEngine()

    host.load_engine = load  # type: ignore[assignment]


def _kill_at(name: str, when: str, count: str) -> None:
    path, _, attribute = name.rpartition(".")
    try:
        owner: Any = import_module(path)
    except ModuleNotFoundError:
        module, _, kind = path.rpartition(".")
        owner = getattr(import_module(module), kind)
    act, calls = getattr(owner, attribute), [0]

    def wrapped(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        is_last = calls[0] == int(count)
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = act(*args, **options)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, attribute, wrapped)


if __name__ == "__main__":
    main()
