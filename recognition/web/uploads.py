"""Received pictures and files, from REST or a page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from django.core.files.uploadedfile import UploadedFile

from recognition.web.errors import ServiceError
from recognition.web.storage import require_room

# Folders of this name that are older than an hour were left behind.
FOLDER_PREFIX = "facerec-upload-"
_MAX_NAME_BYTES = 255  # of Linux


@dataclass(frozen=True, slots=True)
class Upload:
    """An encoded picture; `name` may be empty."""

    name: str
    data: bytes


@contextmanager
def upload_on_disk(upload: UploadedFile) -> Iterator[Path]:
    """The file under its own name, which tells its format, in a folder that is removed afterwards.
    A name that no disk takes is made `model` with the same suffix. ServiceError 400 `bad_name` if
    it has no name; 507 `storage_full` if there is no room for it."""
    name = PurePath(upload.name or "").name
    if name in ("", ".", ".."):
        raise ServiceError("bad_name", "The file has no name.")
    if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        name = f"model{PurePath(name).suffix[:20]}"
    require_room(Path(tempfile.gettempdir()), upload.size or 0, "The upload")
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        path = Path(folder) / name
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        yield path
