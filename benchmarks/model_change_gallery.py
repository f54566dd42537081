"""The gallery of the benchmark of model changes: people of LFW, enrolled and copied."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml_engine.images import decode_image, encode_jpeg

if TYPE_CHECKING:
    from recognition.people.models import Collection, Person


@dataclass
class Gallery:
    """collection: its id. probes: photos of enrolled people that are not enrolled. fresh: photos of
    people who are not. watched: a photo of the person of the live stream. events: ids of visits
    with a name that may be rejected."""

    collection: str
    watched: bytes
    probes: list[bytes] = field(default_factory=list)
    fresh: list[bytes] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


def filled(folder: Path, templates: int, photos: int, preset: str) -> Gallery:
    """Enrol photos with this preset, and copy their rows until there are so many templates."""
    from accounts.audit import SYSTEM
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.services.collections import collection_create

    by_person: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*.jpg")):
        by_person[path.parent.name].append(path)
    several = [paths for paths in by_person.values() if len(paths) > 2]
    single = [paths[0].read_bytes() for paths in by_person.values() if len(paths) == 1]
    collection = collection_create(
        actor=SYSTEM,
        name="Main",
        embedder=ensure_model_version(preset),
        quality_policy="off",
    )
    gallery = Gallery(str(collection.pk), several[0][-1].read_bytes(), fresh=single[:200])
    count = 0
    for paths in several:
        if count >= photos:
            break
        count += _enrol(collection, gallery, [path.read_bytes() for path in paths[:6]])
    _copy(collection, templates - count)
    return gallery


def _enrol(collection: Collection, gallery: Gallery, photos: list[bytes]) -> int:
    """Enrol all but the last photo, which is a probe."""
    from accounts.audit import SYSTEM
    from recognition.people.services.enrolment import images_enrol
    from recognition.people.services.persons import person_create
    from recognition.web.uploads import Upload

    person = person_create(collection=collection, actor=SYSTEM, name=f"P{len(gallery.probes)}")
    uploads = [Upload("photo.jpg", photo) for photo in photos[:-1]]
    outcomes = images_enrol(person=person, uploads=uploads, source="import", actor=SYSTEM)
    gallery.probes.append(photos[-1])
    if len(gallery.probes) > 1:  # not the watched person
        gallery.events += _event(person, photos[0])
    return sum(outcome.accepted for outcome in outcomes)


def _event(person: Person, photo: bytes) -> list[str]:
    from recognition.people.models import Template
    from tests.factories import make_event

    template = Template.objects.filter(image__person=person).first()
    if template is None:
        return []
    picture, vector = _beside(photo), template.embedding
    noise = np.random.default_rng(len(vector)).standard_normal(len(vector))
    vector = vector + 0.5 * noise / np.linalg.norm(noise)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    event = make_event(person=person, face_jpeg=picture, vector=vector)
    return [str(event.pk)]


def _beside(photo: bytes) -> bytes:
    """Nearly the same picture. If an enrolled face itself was rejected, rounding would decide
    whether another photo is nearer to the rejected face or to the enrolled one."""
    pixels = decode_image(photo).astype(np.int16)
    noise = np.random.default_rng(1).integers(-25, 26, pixels.shape)
    return encode_jpeg(np.clip(pixels + noise, 0, 255).astype(np.uint8), 70)


def _copy(collection: Collection, count: int) -> None:
    """Rows with the same files, and vectors a little beside."""
    from recognition.people.index import note_changes
    from recognition.people.models import FaceImage, Template
    from recognition.web.identifiers import uuid7

    random = np.random.default_rng(1)
    rows = Template.objects.filter(collection=collection).select_related("image")
    images, templates = [], []
    for number, row in zip(range(count), cycle(list(rows)), strict=False):
        values = {
            each.attname: getattr(row.image, each.attname)
            for each in FaceImage._meta.concrete_fields
            if each.attname not in ("id", "sha256", "created_at")
        }
        images.append(FaceImage(id=uuid7(), sha256=f"{number:064x}", **values))
        vector = row.embedding + 0.01 * random.standard_normal(row.dimension)
        vector /= np.linalg.norm(vector)
        templates.append(
            Template(
                image=images[-1],
                collection=collection,
                model_id=row.model_id,
                detector_id=row.detector_id,
                vector=Template.pack(vector.astype(np.float32)),
                dimension=row.dimension,
            )
        )
    FaceImage.objects.bulk_create(images, batch_size=1000)
    Template.objects.bulk_create(templates, batch_size=1000)
    last = Template.objects.filter(collection=collection).order_by("-pk").values_list("pk")[:1]
    note_changes(collection, [pk for (pk,) in last])
