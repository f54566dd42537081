"""Read the pieces of an archive as one file."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from django.core.files.storage import default_storage

from recognition.bulk.models import Archive
from recognition.web.errors import ServiceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 2**18


def opened(archive: Archive) -> io.BufferedReader:
    return io.BufferedReader(PiecesFile(archive), _BUFFER)


def chunks_of(archive: Archive) -> Iterator[bytes]:
    """The bytes of the archive, in chunks."""
    with opened(archive) as file:
        while data := file.read(_BUFFER):
            yield data


class PiecesFile(io.RawIOBase):
    """Reads one piece at a time from the media storage."""

    def __init__(self, archive: Archive) -> None:
        rows = list(archive.pieces.values_list("offset", "size", "file"))
        self._offsets = [offset for offset, _, _ in rows]
        self._names = [name for _, _, name in rows]
        self._size = archive.received
        self._at = 0
        self._current: tuple[int, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._at >= self._size:
            return 0
        number = bisect_right(self._offsets, self._at) - 1
        if number < 0:  # the archive was removed
            raise archive_lost()
        file = self._piece(number)
        file.seek(self._at - self._offsets[number])
        view = memoryview(buffer).cast("B")
        data = file.read(len(view))
        if not data:
            raise archive_lost()
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None
        super().close()

    def _piece(self, number: int) -> IO[bytes]:
        if self._current is not None and self._current[0] == number:
            return self._current[1]
        if self._current is not None:
            self._current[1].close()
            self._current = None
        try:
            file = default_storage.open(self._names[number], "rb")
        except FileNotFoundError as error:
            raise archive_lost() from error
        self._current = (number, file)
        return file


def archive_lost() -> ServiceError:
    message = "A piece of the archive is missing in the media storage. Send the archive again."
    return ServiceError("archive_lost", message, status=409)
