"""A separate site for a measurement: its folder, an API key, and `manage.py serve`."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import ROOT


def set_up(folder: Path, weights: Path, **settings: str) -> None:
    """Set up this process, and those that it starts, as the site in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        # Ignore .env, so that the settings of this machine do not change the result.
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": str(folder),
        "WEIGHTS_DIR": str(weights),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "API_RATE": "1000000/min",
        **settings,
    }
    import django
    from django.core.management import call_command

    django.setup()
    from facerec_site.static_files import collect_changed

    call_command("migrate", verbosity=0)
    collect_changed()


def new_key(*scopes: str) -> str:
    """The secret of a new key."""
    from accounts.audit import SYSTEM
    from accounts.services import key_issue

    return key_issue(name="bench", scopes=scopes, actor=SYSTEM)[1]


@contextmanager
def served(port: int, *program: str) -> Iterator[int]:
    """Start the site; returns its process id. program: runs it in place of `manage.py serve`."""
    command = [sys.executable, *(program or ("manage.py", "serve")), "--port", str(port)]
    site = subprocess.Popen(command, cwd=ROOT)
    try:
        yield site.pid
    finally:
        site.terminate()
        site.wait(60)
