"""The files of one snapshot of a gallery: a folder that is written once, and mapped.

| file | a row for each | what |
| --- | --- | --- |
| those of `StoredIndex` | template | ids, exact vectors, codes |
| `people`, `images` | template | the ids of its person and its image |
| `owners` | person | their ids, sorted |
| `by_owner`, `owner_ends` | template, person | positions of templates, person after person |
| `names`, `name_ends` | byte, person | name, external id and labels as JSON |
| `head.json` | | what it is a snapshot of, and the number of rows of each file; written last |

Each `*.sums` has the hashes of the file without this ending. A template that is overwritten is zero
in `vectors`, `codes` and `images`, and the name of a person with the last of their templates. Who
uses a snapshot learns from the log of changes what has become of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching import DamagedFile, VectorIndex
from ml_engine.matching.checked_file import CheckedFile
from ml_engine.matching.stored_index import StoredIndex
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Float32
from recognition.people.index.members import Member, Names, Owner

FORMAT = "facerec gallery"
VERSION = 1
# A process that holds the lock for longer was paused.
_LOCK_S = 30.0
_NAMES_AT_ONCE = 8192
_ID = np.dtype("S16")

Bytes16 = NDArray[np.uint8]  # (n, 16): ids


class Locked(OSError):
    """Another process has had the files of a snapshot for too long."""


@dataclass(frozen=True, slots=True)
class Head:
    """templates: rows, including those overwritten since. files: rows of each file."""

    collection: str
    model: str
    dimension: int
    revision: int
    templates: int
    files: dict[str, int]
    format: str = FORMAT
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class TemplateBlock:
    """Templates in the order of their ids (n,): their images and people, and vectors (n, d)."""

    ids: NDArray[np.int64]
    images: Bytes16
    people: Bytes16
    vectors: Float32


class SnapshotFiles:
    """Other processes write and read the same files: each step holds `lock`."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder
        self.index = StoredIndex(folder, dimension)
        self._images = CheckedFile(folder / "images", "u1", 16)
        self._people = CheckedFile(folder / "people", "u1", 16)
        self._owners = CheckedFile(folder / "owners", "u1", 16)
        self._by_owner = CheckedFile(folder / "by_owner", "<i4")
        self._owner_ends = CheckedFile(folder / "owner_ends", "<i8")
        self._names = CheckedFile(folder / "names", "u1")
        self._name_ends = CheckedFile(folder / "name_ends", "<i8")

    @property
    def _files(self) -> list[CheckedFile]:
        return [*self.index.files, self._images, self._people, self._owners, self._by_owner,
                self._owner_ends, self._names, self._name_ends]  # fmt: skip

    @property
    def _head_path(self) -> Path:
        return self.folder / "head.json"

    @property
    def is_complete(self) -> bool:
        return self._head_path.exists()

    def make(self) -> None:
        self.folder.mkdir(mode=0o700)
        (self.folder / "lock").touch(mode=0o600)

    @contextmanager
    def lock(self, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Locked if another process holds it for long; FileNotFoundError if the folder is gone."""
        deadline = time.monotonic() + _LOCK_S
        with (self.folder / "lock").open("rb") as file:
            while True:
                try:
                    fcntl.flock(file, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise Locked(f"{self.folder.name} is in use.") from error
                time.sleep(0.005)
            (self.folder / "lock").stat()  # was it deleted meanwhile?
            yield

    def write(
        self,
        blocks: Iterator[TemplateBlock],
        names: Callable[[list[UUID]], dict[UUID, Names]],
    ) -> Iterator[None]:
        """In steps; the caller holds the lock during each. A step reads the database and writes
        what it read, so a template that is deleted afterwards is found by `overwrite`.

        Args:
            blocks: templates by id; each is read when it is asked for.
            names: of these people, without those who are gone.
        """
        for block in blocks:
            self._images.append(block.images)
            self._people.append(block.people)
            self.index.add(block.ids, block.vectors)
            yield
        yield from self.index.encode()
        self._write_owners()
        yield
        for first in range(0, len(self._owners), _NAMES_AT_ONCE):
            self._write_names(first, names)
            yield

    def _write_owners(self) -> None:
        people = self._people.map()
        ids = people.view(_ID).ravel()
        order = np.argsort(ids, kind="stable")
        in_order = ids[order]
        is_last = np.append(in_order[1:] != in_order[:-1], True)[: len(order)]
        self._by_owner.append(order)
        self._owner_ends.append(np.flatnonzero(is_last) + 1)
        self._owners.append(people[order[is_last]])

    def _write_names(self, first: int, names: Callable[[list[UUID]], dict[UUID, Names]]) -> None:
        people = [UUID(bytes=each.tobytes()) for each in self._owners.read(first, _NAMES_AT_ONCE)]
        shown = {
            each
            for each, has in zip(people, self._have_any(first, len(people)), strict=True)
            if has
        }
        found = {each: named for each, named in names(people).items() if each in shown}
        texts = [json.dumps(found[each]).encode() if each in found else b"" for each in people]
        ends = len(self._names) + np.cumsum([len(text) for text in texts])
        self._names.append(np.frombuffer(b"".join(texts), np.uint8))
        self._name_ends.append(ends)

    def finish(self, collection: UUID, model: str, revision: int) -> str:
        """Write the head; returns its hash, by which a row of the database names the snapshot."""
        for file in self._files:
            file.sync()
        rows = {file.path.name: len(file) for file in self._files}
        count, dimension = len(self.index.ids), self.index.dimension
        head = Head(str(collection), model, dimension, revision, count, rows)
        content = json.dumps(asdict(head)).encode()
        beside = self.folder / "head.part"
        with beside.open("wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        beside.replace(self._head_path)
        for folder in (self.folder, self.folder.parent):
            _sync_folder(folder)
        return hashlib.sha256(content).hexdigest()

    def check(self, digest: str) -> None:
        """DamagedFile unless this is, byte by byte, the snapshot with this hash, apart from what
        was overwritten."""
        content = self._head_path.read_bytes() if self.is_complete else b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise DamagedFile("It was not written completely, or is of another database.")
        head = json.loads(content)
        if head["version"] != VERSION:
            raise DamagedFile(f"It is of version {head['version']} of its format.")
        rows = head["files"]
        with ThreadPoolExecutor(cpu_threads()) as pool:
            for _ in pool.map(lambda file: self._check(file, rows[file.path.name]), self._files):
                pass

    def _check(self, file: CheckedFile, count: int) -> None:
        steps = file.checks(count)
        is_done = False
        while not is_done:
            with self.lock(fcntl.LOCK_SH):
                is_done = next(steps, True) is True

    def open(self, model: str, directory: Path) -> tuple[VectorIndex, SnapshotOwners]:
        """See `StoredIndex.open`."""
        ids = self.index.ids.map()
        owners = SnapshotOwners(
            ids, self._people.map(), self._images.map(), self._owners.map(), self._by_owner.map(),
            self._owner_ends.map(), self._names.map(), self._name_ends.map(),
        )  # fmt: skip
        return self.index.open(model, directory), owners

    def overwrite(self, templates: list[int]) -> None:
        """These templates and the people whose last ones they were, on the disk."""
        with self.lock():
            ids = self.index.ids.map()
            wanted = np.array(templates, np.int64)
            found = np.minimum(np.searchsorted(ids, wanted), max(0, len(ids) - 1))
            slots = np.unique(found[ids[found] == wanted]) if len(ids) else found[:0]
            self._images.overwrite(slots)
            self.index.overwrite(slots)
            self._overwrite_names(self._people.read_rows(slots))

    def _overwrite_names(self, people: Bytes16) -> None:
        owners = self._owners.map().view(_ID).ravel()
        named = len(self._name_ends)
        for person in np.unique(people.view(_ID)):
            number = int(np.searchsorted(owners, person))
            if number >= named or owners[number] != person:
                continue
            if not self._have_any(number, 1)[0]:
                self._names.overwrite(np.arange(*_span(self._name_ends.map(), number)))

    def _have_any(self, first: int, count: int) -> NDArray[np.bool_]:
        """(count,): False for an owner whose templates are all overwritten."""
        ends = self._owner_ends.map()[: first + count]
        starts = np.append(0, ends[:-1])[first:]
        slots = self._by_owner.map()[starts[0] : ends[-1]]
        is_kept = self._images.map()[slots].any(axis=1)
        return np.logical_or.reduceat(is_kept, starts - starts[0])

    def discard(self) -> None:
        """Delete the files. Processes that have mapped them keep them until they let go. Nothing is
        cut off, because a process that reads a cut page of a map is killed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(FileNotFoundError):  # deleted, perhaps by another process at this moment
            shutil.rmtree(self.folder)


class SnapshotOwners:
    """See `StoredOwners`. overwritten: templates that were when it was opened."""

    def __init__(
        self,
        ids: NDArray[np.int64],
        people: Bytes16,
        images: Bytes16,
        owners: Bytes16,
        by_owner: NDArray[np.int32],
        owner_ends: NDArray[np.int64],
        names: NDArray[np.uint8],
        name_ends: NDArray[np.int64],
    ) -> None:
        self._ids = ids
        self._people = people
        self._images = images
        self._owners = owners.view(_ID).ravel()
        self._by_owner = by_owner
        self._owner_ends = owner_ends
        self._names = names
        self._name_ends = name_ends
        self.overwritten = ids[~images.view("<i8").any(axis=1)]
        self.size = len(owners), len(ids)

    def owner(self, template: int) -> Owner | None:
        slot = int(np.searchsorted(self._ids, template))
        if slot == len(self._ids) or self._ids[slot] != template:
            return None
        return UUID(bytes=self._people[slot].tobytes()), self._images[slot].tobytes().hex()

    def member(self, person: UUID) -> Member | None:
        wanted = np.array([person.bytes], _ID)
        number = int(np.searchsorted(self._owners, wanted)[0])
        if (self._owners[number : number + 1] != wanted).any() or number == len(self._owners):
            return None
        start, end = _span(self._owner_ends, number)
        templates = self._ids[self._by_owner[start:end]].tolist()
        return Member(*self._names_of(number), templates=templates)

    def _names_of(self, number: int) -> Names:
        start, end = _span(self._name_ends, number)
        text = self._names[start:end].tobytes()
        if not text or b"\0" in text:  # overwritten, perhaps at this moment
            return "", None, ()
        name, external_id, labels = json.loads(text)
        return name, external_id, tuple(labels)


def _span(ends: NDArray[np.int64], number: int) -> tuple[int, int]:
    return int(ends[number - 1]) if number else 0, int(ends[number])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
