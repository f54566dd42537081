"""An archive of photos with a folder for each person, or with a CSV that names their people."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import PurePosixPath

from django.conf import settings
from django.core.exceptions import ValidationError

from recognition.bulk.archives.entries import entries_by_path, places_of, read_entry
from recognition.bulk.archives.planned import PlannedPhoto, refused
from recognition.bulk.models import ImportItem
from recognition.people.models import Person
from recognition.people.services.inspection import PictureRefused
from recognition.web.boundaries import ColumnValues
from recognition.web.errors import ServiceError

COLUMNS = ("file", "name", "external_id", "labels", "consent", "consent_at")
# Checked here, because Django would convert any value of an export to text.
_TEXTS = {"name", "external_id", "consent", "consent_at"}
_MOST_LIST_BYTES = 64 * 2**20
_LONGEST_KEY = 255
# Prefix of `person_key` for a person who is named by a folder.
FOLDER_KEY = "folder:"
# Files that operating systems put beside photos.
_JUNK = {"thumbs.db", "desktop.ini"}
_JUNK_FOLDER = "__MACOSX"


class PhotoArchive:
    """The photos of a ZIP and their people."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        found = entries_by_path(archive)
        self._entries = {path: found[path] for path in found if not _is_junk(path)}

    def planned(self) -> Iterator[PlannedPhoto]:
        """The photos to enrol, in order. ServiceError 422 `bad_list` if the CSV cannot be read."""
        for photo in self._photos():
            places = places_of(self._entries.get(photo.path, [])) if photo.person_key else []
            yield replace(photo, places=places)

    def _photos(self) -> Iterator[PlannedPhoto]:
        lists = [path for path in self._entries if _is_list(path)]
        if len(lists) > 1:
            raise _bad_list(f"There are {len(lists)} CSV files: only one is allowed.")
        yield from self._listed(lists[0]) if lists else self._by_folder()
        for path, entries in self._entries.items():
            for _ in entries[1:]:
                yield refused(path, "double_path", "There are two files with this name.")

    def read(self, item: ImportItem) -> bytes:
        """The encoded photo. PictureRefused if it cannot be unpacked."""
        most = settings.MAX_IMAGE_MB * 2**20
        return read_entry(self._archive, self._entries[item.path][0], most=most)

    def _by_folder(self) -> Iterator[PlannedPhoto]:
        paths = [PurePosixPath(path) for path in self._entries]
        skipped = _common_depth(paths)
        for path in paths:
            folders = path.parts[skipped:-1]
            if not folders:
                message = "It is not in a folder with the name of a person."
                yield refused(str(path), "no_person", message)
            else:
                name = folders[0].replace("_", " ").strip() or folders[0]
                key = f"{FOLDER_KEY}{folders[0]}"[:_LONGEST_KEY]
                yield PlannedPhoto(str(path), key, {"name": name[:200]})

    def _listed(self, list_path: str) -> Iterator[PlannedPhoto]:
        base = PurePosixPath(list_path).parent
        left = dict.fromkeys(path for path in self._entries if path != list_path)
        folders = _by_folder_above(left)
        for row in self._rows(list_path):
            file = str(base / row["file"].replace("\\", "/").strip("/"))
            named = [file] if file in left else folders.get(file, [])
            found = [path for path in named if path in left]
            if not found:
                message = "The CSV lists it, but it is not in the archive, or it is listed twice."
                yield refused(file[:500], "file_missing", message)
            for path in found:
                del left[path]
                yield _planned(path, row)
        for path in left:
            yield refused(path, "not_in_list", "The CSV of the archive does not list it.")

    def _rows(self, list_path: str) -> Iterator[dict[str, str]]:
        entry = self._entries[list_path][0]
        try:
            text = read_entry(self._archive, entry, most=_MOST_LIST_BYTES).decode("utf-8-sig")
        except (UnicodeDecodeError, PictureRefused) as error:
            raise _bad_list("The CSV is not text in UTF-8.") from error
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [(name or "").strip().lower() for name in rows.fieldnames or []]
        _check_columns(columns)
        rows.fieldnames = columns
        try:
            for row in rows:
                yield {name: (row.get(name) or "").strip() for name in COLUMNS}
        except csv.Error as error:
            raise _bad_list(f"The CSV cannot be read: {error}.") from error


def person_values(row: dict[str, str]) -> ColumnValues:
    """The values of the person in a row of the CSV. ValueError says what is wrong with the row."""
    values: ColumnValues = {"name": row["name"] or row["external_id"]}
    if not values["name"]:
        raise ValueError("name or external_id: one of them is needed")
    if row["external_id"]:
        values["external_id"] = row["external_id"]
    if row["labels"]:
        values["labels"] = [label.strip() for label in row["labels"].split(";") if label.strip()]
    if row["consent"]:
        values["consent"] = row["consent"].lower()
    if row["consent_at"]:
        values["consent_at"] = date.fromisoformat(row["consent_at"]).isoformat()
    check_person(values)
    return values


def check_person(values: ColumnValues) -> None:
    """ValueError if a person cannot have these values; it names the wrong fields."""
    for name, value in values.items():
        if name in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{name}: this is not text")
    try:
        Person(**values).clean_fields(exclude=["collection"])
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise ValueError(told) from error


def _planned(path: str, row: dict[str, str]) -> PlannedPhoto:
    try:
        who = person_values(row)
    except ValueError as error:
        return refused(path, "bad_row", f"Its row in the CSV cannot be used: {error}."[:500])
    key = f"id:{row['external_id']}" if row["external_id"] else f"name:{row['name']}"
    return PlannedPhoto(path, key[:_LONGEST_KEY], who)


def _check_columns(columns: list[str]) -> None:
    unknown = set(columns) - {*COLUMNS, ""}
    if unknown:
        # Without their text: if there is no header, it is of people, and messages stay.
        told = f"The first line of the CSV has {len(unknown)} unknown columns."
        raise _bad_list(f"{told} Known columns: {', '.join(COLUMNS)}.")
    if "file" not in columns or not {"name", "external_id"} & set(columns):
        raise _bad_list("The CSV needs a column file, and name or external_id (or both).")


def _by_folder_above(paths: Iterable[str]) -> dict[str, list[str]]:
    """All files below each folder, by folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for folder in PurePosixPath(path).parents:
            folders[str(folder)].append(path)
    return folders


def _common_depth(paths: list[PurePosixPath]) -> int:
    """Number of outer folders that contain all files. These are not named after a person."""
    depth = 0
    while all(len(path.parts) > depth + 2 for path in paths):
        if len({path.parts[depth] for path in paths}) > 1:
            break
        depth += 1
    return depth


def _is_list(path: str) -> bool:
    """True for a CSV at the top of the archive or in a folder at the top."""
    return path.lower().endswith(".csv") and path.count("/") <= 1


def _is_junk(path: str) -> bool:
    parts = PurePosixPath(path).parts
    name = parts[-1] if parts else ""
    return parts[:1] == (_JUNK_FOLDER,) or name.startswith(".") or name.lower() in _JUNK


def _bad_list(message: str) -> ServiceError:
    return ServiceError("bad_list", message, status=422)
