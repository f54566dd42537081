"""What is left of models of the user's own: files of removed ones, and folders of processes that
were killed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from ml_engine.formats import isolation
from ml_engine.zoo.own import OWN_DIR, REMOVED_MARK
from recognition.people.models import ModelVersion
from recognition.web import uploads

# No model takes this long to be added, from its upload to its row.
_AGE_S = 3600.0


def model_files_sweep() -> int:
    """Delete what was left for more than an hour; returns the number of folders."""
    old = [folder for folder in _unfinished() if _is_old(folder)]
    old += [mark.parent for mark in _own().glob(f"*/{REMOVED_MARK}") if _is_old(mark)]
    for folder in old:
        # A model of another name may have the same files.
        if not ModelVersion.objects.filter(file=f"{OWN_DIR}/{folder.name}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    return sum(not folder.exists() for folder in old)


def _unfinished() -> Iterator[Path]:
    for prefix in (isolation.FOLDER_PREFIX, uploads.FOLDER_PREFIX):
        yield from Path(tempfile.gettempdir()).glob(f"{prefix}*")
    yield from _own().glob(f"{isolation.PART_PREFIX}*")


def _own() -> Path:
    return Path(settings.WEIGHTS_DIR) / OWN_DIR


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _AGE_S
    except OSError:
        return False
