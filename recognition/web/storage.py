"""Problems of a disk: it is full, read-only, or gone.

Only this module classifies errors of files and databases. Pictures are refused before the disk is
completely full, because the database needs space to delete rows.
"""

from __future__ import annotations

import errno
import os
import shutil
from enum import StrEnum
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import FileField

from recognition.web.errors import ServiceError


class Problem(StrEnum):
    FULL = "full"
    READ_ONLY = "read_only"
    GONE = "gone"


_OF_ERRNO = {
    errno.ENOSPC: Problem.FULL,
    errno.EDQUOT: Problem.FULL,
    errno.EROFS: Problem.READ_ONLY,
    errno.EACCES: Problem.READ_ONLY,
    errno.EPERM: Problem.READ_ONLY,
    errno.EIO: Problem.GONE,
    errno.ESTALE: Problem.GONE,
    errno.ENODEV: Problem.GONE,
    errno.ENOTCONN: Problem.GONE,
}
# SQLite's primary result codes. For an I/O error (10) or a file that cannot be opened (14), it does
# not tell the cause; then the state of its folder decides.
_OF_SQLITE = {13: Problem.FULL, 8: Problem.READ_ONLY}
_SQLITE_UNCLEAR = {10, 14}
_SQLITE_NEEDS_BYTES = 2**20
_OF_MYSQL = {
    1021: Problem.FULL,  # ER_DISK_FULL
    1114: Problem.FULL,  # ER_RECORD_FILE_FULL
    1878: Problem.FULL,  # ER_TEMP_FILE_WRITE_FAILURE
    1036: Problem.READ_ONLY,  # ER_OPEN_AS_READONLY
    1290: Problem.READ_ONLY,  # ER_OPTION_PREVENTS_STATEMENT
    1836: Problem.READ_ONLY,  # ER_READ_ONLY_MODE
}
# MySQL and MariaDB add the number of the system's error to their message: "(Errcode: 28 …)".
_SYSTEM_ERROR = "rrcode: {}"
_TOLD = {
    Problem.FULL: (
        507,
        "storage_full",
        "The server's disk is full: nothing new can be stored. Delete events, images or people, or "
        "free space on the disk.",
    ),
    Problem.READ_ONLY: (
        503,
        "storage_read_only",
        "The server cannot write to its disk: nothing new can be stored until this is fixed.",
    ),
    Problem.GONE: (
        503,
        "storage_gone",
        "The server's folder of pictures is missing. Check that its disk is mounted.",
    ),
}
CODES = frozenset(code for _, code, _ in _TOLD.values())
# A folder that is made in the folder of pictures at its first use. If the disk of pictures is not
# mounted, its mount point is an empty folder without this mark, and nothing must be written there.
_MARK = ".facerec-media"


def storage_refusal(problem: Problem) -> ServiceError:
    status, code, message = _TOLD[problem]
    details = {} if problem == Problem.FULL else {"retry_after": 30}
    return ServiceError(code, message, status=status, **details)


def problem_of(error: BaseException | None) -> Problem | None:
    """The problem of the disk that caused the error; None if the error has another cause."""
    if isinstance(error, DatabaseError):
        return _problem_of_database(error)
    if isinstance(error, OSError):
        return _OF_ERRNO.get(error.errno or 0)
    return None


def _problem_of_database(error: DatabaseError) -> Problem | None:
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    if code is not None:
        if code & 0xFF in _SQLITE_UNCLEAR:
            return folder_problem(database_folder(), least_bytes=_SQLITE_NEEDS_BYTES)
        return _OF_SQLITE.get(code & 0xFF)
    number = error.args[0] if error.args else None
    if number in _OF_MYSQL:
        return _OF_MYSQL[number]
    for code, problem in _OF_ERRNO.items():
        if f"{_SYSTEM_ERROR.format(code)} " in f"{error} ":
            return problem
    return None


def folder_problem(folder: Path, *, least_bytes: int) -> Problem | None:
    """The problem of the folder's disk. FULL if less than `least_bytes` are free."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return Problem.GONE
    if room.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return Problem.READ_ONLY
    has_no_names_left = room.f_files > 0 and room.f_favail == 0
    is_full = room.f_bavail * room.f_frsize < least_bytes or has_no_names_left
    return Problem.FULL if is_full else None


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Before anything is written there: ServiceError 507 `storage_full` if the disk of the folder
    has not this much room, beside what is always kept free; 503 if it cannot be written at all.

    Args:
        folder: may be missing, if a folder above it is there.
        what: needs the room, for people.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    problem = folder_problem(folder, least_bytes=needed_bytes + settings.KEEP_FREE_BYTES)
    if problem == Problem.FULL:
        free = shutil.disk_usage(folder).free
        message = (
            f"{what} needs {_megabytes(needed_bytes + settings.KEEP_FREE_BYTES)} of free disk; "
            f"{_megabytes(free)} are free. Nothing was stored."
        )
        raise ServiceError("storage_full", message, status=507)
    if problem is not None:
        raise storage_refusal(problem)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def media_problem() -> Problem | None:
    """The problem of the folder of pictures. An empty folder is fine only if no row of the database
    names a picture, so this may raise DatabaseError or InterfaceError."""
    root = Path(settings.MEDIA_ROOT)
    mark = root / _MARK
    try:
        if not mark.exists():
            if not _is_first_use(root):
                return Problem.GONE
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        return problem_of(error) or Problem.GONE
    return folder_problem(root, least_bytes=settings.KEEP_FREE_BYTES)


def _is_first_use(root: Path) -> bool:
    # The folder was already in use before the mark was introduced.
    if root.is_dir() and any(root.iterdir()):
        return True
    return not any(
        model._default_manager.exclude(**{field.name: ""}).exists()
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, FileField)
    )


def database_folder() -> Path:
    """The folder of SQLite's file."""
    return Path(connection.settings_dict["NAME"]).parent
