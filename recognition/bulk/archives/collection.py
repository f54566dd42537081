"""The format of a collection as an archive: an export writes it, and an import reads it.

`collection.json` describes the archive. Photos are in `faces/NNNNNN/` and `originals/NNNNNN/`.
Their people, with templates, are in `people/NNNNNN.jsonl`: one line of JSON for each person.
"""

from __future__ import annotations

import base64
import binascii
import json
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings

from ml_engine.types import Float32
from recognition.bulk.archives.entries import entries_by_path, places_of, read_entry
from recognition.bulk.archives.photos import check_person
from recognition.bulk.archives.planned import Place, PlannedPhoto, refused
from recognition.bulk.models import ImportItem
from recognition.people.models import FaceImage, Person, Template
from recognition.people.services.inspection import PictureRefused
from recognition.people.services.restoring import StoredFace
from recognition.web.boundaries import ColumnValues, JsonDict
from recognition.web.errors import ServiceError

FORMAT, VERSION = "facerec-collection", 1
MANIFEST = "collection.json"
# Prefix of `person_key`, before the person's id in the installation that made the export.
PERSON_KEY = "person:"
# Limit for one jsonl file, which has 50 people in our own exports.
_MOST_PART_BYTES = 64 * 2**20
_PERSON_FIELDS = ("name", "external_id", "metadata", "labels", "consent", "consent_at", "is_active")
_LONGEST_LIST = 100


def person_line(person: Person, images: list[tuple[FaceImage, list[Template]]]) -> bytes:
    """The line of a person in `people/`. Each template has the version of its model."""
    told = {
        "id": str(person.pk),
        **{name: getattr(person, name) for name in _PERSON_FIELDS if name != "consent_at"},
        "consent_at": person.consent_at.isoformat() if person.consent_at else None,
        "images": [_image(image, templates) for image, templates in images],
    }
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"


def is_collection(archive: zipfile.ZipFile) -> bool:
    return MANIFEST in archive.NameToInfo


def _is_list_of_people(path: str) -> bool:
    return path.startswith("people/") and path.endswith(".jsonl")


def _original_of(face: str) -> str:
    """The path of the original photo of a face, of which there may be none."""
    return face.replace("faces/", "originals/", 1)


class CollectionArchive:
    """A collection that another installation exported. embedder: model version of the collection
    that it is imported into."""

    def __init__(self, archive: zipfile.ZipFile, embedder: str) -> None:
        self._archive = archive
        self._entries = entries_by_path(archive)
        self._embedder = embedder
        self._part: tuple[str, dict[str, JsonDict]] = ("", {})
        manifest = self._json(MANIFEST)
        if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
            message = f"{MANIFEST} does not have a format that this version can read."
            raise ServiceError("bad_export", message, status=422)
        self.model = str(manifest.get("model", ""))[:200]

    def planned(self) -> Iterator[PlannedPhoto]:
        """One item for each image, and one for each person without images, in order."""
        for name in sorted(self._archive.namelist()):
            if _is_list_of_people(name):
                for person in self._people(name):
                    yield from self._planned(name, person)

    def read(self, item: ImportItem) -> StoredFace | None:
        """The face of an item; None for a person without images. PictureRefused if it cannot be
        read."""
        path = PurePosixPath(item.path)
        if path.parts[0] != "faces":
            return None
        part = path.parts[1]
        image = self._images(f"people/{part}.jsonl").get(path.stem)
        try:
            return self._stored(part, path.stem, image or {})
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise PictureRefused("bad_export", "The data of this photo are broken.") from error

    def _planned(self, name: str, person: JsonDict) -> Iterator[PlannedPhoto]:
        part = PurePosixPath(name).stem
        try:
            key = f"{PERSON_KEY}{UUID(str(person['id']))}"
            images = [str(UUID(str(image["id"]))) for image in person["images"]]
            faces = tuple(_hash_or_none(image) for image in person["images"])
            given = {field: person.get(field) for field in _PERSON_FIELDS}
            who = {field: value for field, value in given.items() if value is not None}
            check_person(who)
        except (KeyError, TypeError, ValueError) as error:
            yield refused(name, "bad_export", f"A person in it cannot be read: {error}"[:500])
            return
        for image, sha256 in zip(images, faces, strict=True):
            face = f"faces/{part}/{image}.jpg"
            yield PlannedPhoto(
                face, key, who, places=self._places(face), sha256=sha256, faces=faces
            )
        if not images:
            yield PlannedPhoto(name, key, who)

    def _places(self, face: str) -> list[Place]:
        paths = (face, _original_of(face))
        return [place for path in paths for place in places_of(self._entries.get(path, []))]

    def _stored(self, part: str, image_id: str, image: JsonDict) -> StoredFace:
        templates = {str(row["model"]): row for row in image["templates"]}
        mine = templates.get(self._embedder)
        most = settings.MAX_IMAGE_MB * 2**20
        face = f"faces/{part}/{image_id}.jpg"
        original = _original_of(face)
        has_original = original in self._archive.NameToInfo
        return StoredFace(
            values=_image_values(image),
            jpeg=read_entry(self._archive, face, most=most),
            original=read_entry(self._archive, original, most=most) if has_original else b"",
            vector=_vector(mine["vector"]) if mine else None,
            detector=str(mine["detector"]) if mine and mine.get("detector") else None,
            models=tuple(templates),
        )

    def _images(self, name: str) -> dict[str, JsonDict]:
        """The images in one file of `people/`, by id. Only the last file is kept in memory, because
        items come file by file."""
        if self._part[0] != name:
            people = list(self._people(name))
            images = {str(image["id"]): image for person in people for image in person["images"]}
            self._part = (name, images)
        return self._part[1]

    def _people(self, name: str) -> Iterator[JsonDict]:
        for line in self._read(name).splitlines():
            yield _parsed(line)

    def _json(self, name: str) -> JsonDict:
        return _parsed(self._read(name))

    def _read(self, name: str) -> bytes:
        try:
            data = read_entry(self._archive, name, most=_MOST_PART_BYTES)
        except PictureRefused as error:
            raise _bad_export(name) from error
        if len(data) > _MOST_PART_BYTES:
            raise _bad_export(name)
        return data


def _image(image: FaceImage, templates: list[Template]) -> JsonDict:
    names = ("sha256", "box", "landmarks", "crop_left", "crop_top", "crop_scale", "crop_turn",
             "quality", "quality_parts")  # fmt: skip
    return {
        "id": str(image.pk),
        **{name: getattr(image, name) for name in names},
        "templates": [
            {
                "model": template.model.version,
                "detector": template.detector.version if template.detector else None,
                "vector": base64.b64encode(template.vector).decode(),
            }
            for template in templates
        ],
    }


def _image_values(image: JsonDict) -> ColumnValues:
    """Columns of a FaceImage, converted to their types: an archive may contain any values."""
    landmarks = [[float(x), float(y)] for x, y in image["landmarks"][:_LONGEST_LIST]]
    x, y, width, height = (float(value) for value in image["box"])
    parts = image["quality_parts"]
    return {
        "sha256": _hash(image),
        "box": [x, y, width, height],
        "landmarks": landmarks,
        "crop_left": int(image["crop_left"]),
        "crop_top": int(image["crop_top"]),
        "crop_scale": float(image["crop_scale"]),
        "crop_turn": int(image["crop_turn"]) // 90 % 4 * 90,
        "quality": float(image["quality"]),
        "quality_parts": {str(name)[:32]: _part(value) for name, value in parts.items()},
    }


def _hash(image: JsonDict) -> str:
    return f"{int(image['sha256'], 16):064x}"[-64:]


def _hash_or_none(image: JsonDict) -> str:
    """Empty if it cannot be read: then the photo is refused when its turn comes."""
    try:
        return _hash(image)
    except (KeyError, TypeError, ValueError):
        return ""


def _part(value: Any) -> float | list[str] | None:
    if isinstance(value, list):
        return [str(reason)[:32] for reason in value[:_LONGEST_LIST]]
    return None if value is None else float(value)


def _vector(text: str) -> Float32:
    """A template of shape (d,) and length 1. ValueError if it is not."""
    vector = Template.unpack(base64.b64decode(text, validate=True))
    if not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 0.01:
        raise ValueError("not a template")
    return vector


def _parsed(line: bytes) -> JsonDict:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad_export("a line of it") from error
    if not isinstance(value, dict):
        raise _bad_export("a line of it")
    return value


def _bad_export(what: str) -> ServiceError:
    message = f"This export of a collection is broken: {what} cannot be read."
    return ServiceError("bad_export", message, status=422)
