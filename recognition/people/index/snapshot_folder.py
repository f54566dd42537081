"""The folder of snapshots on this machine, and how they are named in it."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from recognition.people.index.snapshot_files import SnapshotFiles
from recognition.people.models import GallerySnapshot

logger = logging.getLogger(__name__)


def snapshot_folder() -> Path:
    """It is made with the first snapshot."""
    return Path(settings.GALLERY_SNAPSHOT_DIR)


def snapshots_are_on() -> bool:
    """If not, the folder is not touched, unless there are snapshots from before."""
    return settings.GALLERY_SNAPSHOT_FROM > 0


def folder_mark() -> str:
    """What tells this folder from those of other machines; empty if there is no folder, or if it
    cannot be read."""
    try:
        return (snapshot_folder() / "folder").read_text()
    except FileNotFoundError:
        return ""
    except OSError as error:
        tell_unusable(str(error))
        return ""


@cache
def tell_unusable(problem: str) -> None:
    """Once: the folder is looked at every two seconds."""
    logger.warning("there are no snapshots of galleries: %s", problem)


def made_mark() -> str:
    folder = snapshot_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "folder"
    if not path.exists():
        beside = path.with_name(f"folder.{secrets.token_hex(4)}")
        beside.write_text(secrets.token_hex(16))
        with suppress(FileExistsError):  # another process was faster
            path.hardlink_to(beside)
        beside.unlink()
    return folder_mark()


def discard(files: SnapshotFiles) -> bool:
    """False if they could not be deleted: then the hourly upkeep tries again."""
    try:
        files.discard()
    except OSError as error:
        logger.warning("the files of a snapshot could not be deleted: %s", error)
        return False
    return True


def files_of(name: str) -> SnapshotFiles:
    """The name ends with the dimension."""
    dimension = name.rpartition("-")[2]
    return SnapshotFiles(snapshot_folder() / name, int(dimension) if dimension.isdigit() else 1)


def revision_of(name: str) -> int:
    """Of the gallery, when a snapshot of this name was begun; 0 for the name of something else."""
    revision = name.split("-")[-2]
    return int(revision) if revision.isdigit() else 0


def prefix(collection_id: UUID) -> str:
    return f"{collection_id.hex}-"


def prefix_of(row: GallerySnapshot) -> str:
    return f"{prefix(row.collection_id)}{row.model_id}-"
