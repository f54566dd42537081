"""Bad archives: each is refused with its own code, and nothing of it is left."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from recognition.bulk.archives import checks
from recognition.bulk.archives.checks import open_archive
from recognition.bulk.models import Archive, ImportRun
from recognition.bulk.services.imports import import_create, import_finish
from recognition.jobs.models import Job
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from tests.factories import ACTOR
from tests.fakes import photo
from tests.recognition.bulk.zips import people_zip, sent, zip_of
from tests.recognition.storage import stored_files

_LINK = 0o120777 << 16


def _entry(name: str, **values: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    for field, value in values.items():
        setattr(info, field, value)
    return info


def _zip(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return buffer.getvalue()


def nonsense() -> bytes:
    return random.Random(1).randbytes(5000)


def picture() -> bytes:
    return photo(1)


def cut_off() -> bytes:
    return people_zip()[:-40]


def without_its_beginning() -> bytes:
    data = people_zip()
    return data[len(data) - 200 :]


def nothing() -> bytes:
    return zip_of({})


def folders_only() -> bytes:
    return _zip((_entry("Ann/"), b""), (_entry("Bob/"), b""))


def climbing() -> bytes:
    return zip_of({"Ann/1.jpg": photo(1), "../../etc/cron.d/x": b"x"})


def absolute() -> bytes:
    return zip_of({"/etc/passwd": b"x"})


def climbing_as_windows_does() -> bytes:
    return zip_of({"Ann\\..\\..\\x.jpg": b"x"})


def drive() -> bytes:
    return zip_of({"C:/x.jpg": b"x"})


def link() -> bytes:
    return _zip((_entry("Ann/1.jpg", external_attr=_LINK), b"/etc/passwd"))


def encrypted() -> bytes:
    data = bytearray(zip_of({"Ann/1.jpg": photo(1)}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def strangely_packed() -> bytes:
    data = bytearray(zip_of({"Ann/1.jpg": photo(1)}))
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, 97)
    return bytes(data)


def thousands_of_empty_files() -> bytes:
    return zip_of({f"Ann/{number}.jpg": b"" for number in range(3000)})


def bomb() -> bytes:
    """An archive that claims to unpack to 4 GB."""
    data = bytearray(zip_of({"Ann/1.jpg": photo(1)}))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 0xFFFFFFF0)
    return bytes(data)


def overlapping() -> bytes:
    """All entries are the same bytes of the file: a small file that causes much work."""
    data = bytearray(zip_of({f"Ann/{number}.jpg": photo(1) for number in range(3)}))
    at = data.index(b"PK\x01\x02")
    while (at := data.find(b"PK\x01\x02", at + 1)) > 0:
        struct.pack_into("<I", data, at + 42, 0)
    return bytes(data)


BAD: dict[Callable[[], bytes], str] = {
    nonsense: "not_an_archive",
    picture: "not_an_archive",
    cut_off: "not_an_archive",
    without_its_beginning: "not_an_archive",
    nothing: "empty_archive",
    folders_only: "empty_archive",
    climbing: "unsafe_path",
    absolute: "unsafe_path",
    climbing_as_windows_does: "unsafe_path",
    drive: "unsafe_path",
    link: "unsafe_path",
    encrypted: "encrypted_archive",
    strangely_packed: "unsupported_compression",
    thousands_of_empty_files: "empty_entries",
    bomb: "archive_bomb",
    overlapping: "archive_bomb",
}


@pytest.mark.django_db
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_archive_is_refused_and_leaves_nothing(
    collection: Collection, make: Callable[[], bytes]
) -> None:
    run = sent(collection, make())
    with pytest.raises(ServiceError) as refused:
        import_finish(run=run, actor=ACTOR)
    assert (refused.value.code, refused.value.status) == (BAD[make], 422)
    assert not ImportRun.objects.exists()
    assert not Archive.objects.exists()
    assert not Job.objects.filter(kind="import").exists()
    assert stored_files() == set()


@pytest.mark.django_db
def test_archive_of_a_few_bytes_is_refused_at_once(collection: Collection) -> None:
    with pytest.raises(ServiceError) as refused:
        import_create(collection=collection, name="a", size=21, actor=ACTOR)
    assert refused.value.code == "not_an_archive"


def test_list_of_entries_is_bounded_before_it_is_read() -> None:
    """100 MB that claim to be the list of entries are not read into memory."""
    size = 100 * 2**20
    file = io.BytesIO(
        bytes(size) + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 9, 9, size, 0, 0)
    )
    tracemalloc.start()
    with pytest.raises(ServiceError, match="too many files"):
        open_archive(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_more_entries_than_may_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_ENTRIES", 5)
    with pytest.raises(ServiceError, match="too many files"):
        open_archive(io.BytesIO(people_zip(people=3, photos=2)))


@pytest.mark.parametrize("force", [False, True], ids=["32 bit", "64 bit"])
def test_good_archives_of_both_kinds_are_read(force: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    if force:
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = b"from my phone"
        archive.writestr("Ann\\1.jpg", photo(1))
    with open_archive(buffer) as archive:
        assert [checks.path_of(entry) for entry in archive.infolist()] == ["Ann/1.jpg"]
