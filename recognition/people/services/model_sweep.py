"""What is left of models of the user's own: files without a row, and folders of processes that were
killed."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from ml_engine.formats import isolation
from ml_engine.zoo.own import OWN_DIR
from recognition.people.models import ModelVersion
from recognition.web import uploads

# No model takes this long to be added, from its upload to its row.
_AGE_S = 3600.0
_HASH = re.compile(r"[0-9a-f]{64}")


def model_files_sweep() -> int:
    """Delete folders that are older than an hour and belong to nothing; returns how many."""
    deleted = 0
    for folder in [*_unfinished(), *_without_row()]:
        if _is_old(folder):
            shutil.rmtree(folder, ignore_errors=True)
            deleted += not folder.exists()
    return deleted


def _unfinished() -> Iterator[Path]:
    for prefix in (isolation.FOLDER_PREFIX, uploads.FOLDER_PREFIX):
        yield from Path(tempfile.gettempdir()).glob(f"{prefix}*")
    yield from _own().glob(f"{isolation.PART_PREFIX}*")


def _without_row() -> Iterator[Path]:
    for folder in _own().glob("*"):
        is_kept = _HASH.fullmatch(folder.name) is not None
        if is_kept and not ModelVersion.objects.filter(file=f"{OWN_DIR}/{folder.name}").exists():
            yield folder


def _own() -> Path:
    return Path(settings.WEIGHTS_DIR) / OWN_DIR


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _AGE_S
    except OSError:
        return False
