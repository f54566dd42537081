"""Enrolment: pictures of a person become images and templates; each picture has its own outcome."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from uuid import UUID

from accounts.audit import Actor, record
from ml_engine import Quality
from ml_engine.request import Priority
from ml_engine.types import Float32
from recognition.notices.services.notices import notice_write
from recognition.people.index import note_changes, snapshots_follow
from recognition.people.model_versions import detector_version, require_version
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.people.services.deciders import decider_forget
from recognition.people.services.face_choice import ONLY, FaceChoice
from recognition.people.services.inspection import FaceToStore, Inspection, LiveCrop, PictureRefused
from recognition.people.services.locks import lock_collection, lock_people, lock_person
from recognition.people.services.second_model import Vectors, templates_of, with_all_models
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import NewFiles, remove_after_commit
from recognition.web.transactions import in_transaction
from recognition.web.uploads import Upload

# A request with more pictures than this is bulk work: interactive calls go first.
_INTERACTIVE = 10
_DUPLICATE = "This picture of this person is stored already."


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """Outcome of one picture. `code` is stable, `message` is text for people.

    similar_to: the other person of `looks_like_another_person`; for pages that show it at once,
    never for stored answers. boxes: x1 y1 x2 y2 of every face found in a refused picture.
    """

    index: int
    name: str
    accepted: bool
    code: str
    message: str
    faces_found: int = 0
    quality: Quality | None = None
    image: FaceImage | None = None
    similar_to: UUID | None = None
    boxes: Sequence[Float32] = ()


def images_enrol(
    *,
    person: Person,
    uploads: Sequence[Upload],
    source: str,
    actor: Actor,
    choice: FaceChoice = ONLY,
) -> list[ImageOutcome]:
    """Look at every picture, then store the good ones together. choice: which face of each is the
    person's.

    If the engine is busy or the person was erased meanwhile, it raises and stores nothing.
    """
    collection = collection_for_enrolment(person.collection_id)
    priority: Priority = "bulk" if len(uploads) > _INTERACTIVE else "interactive"
    inspection = Inspection(
        collection, person.pk, caller=actor.name, priority=priority, choice=choice
    )
    known = set(person.images.values_list("sha256", flat=True))
    looks: list[FaceToStore | PictureRefused] = []
    for upload in uploads:
        look = _look(inspection, upload.data, known)
        if isinstance(look, FaceToStore):
            known.add(look.sha256)
        looks.append(look)
    findings = [look for look in looks if isinstance(look, FaceToStore)]
    images = _store(collection, lambda: lock_person(person.pk), findings, source, actor)
    outcomes = [
        _outcome(index, upload.name, look, images)
        for index, (upload, look) in enumerate(zip(uploads, looks, strict=True))
    ]
    refused = Counter(outcome.code for outcome in outcomes if not outcome.accepted)
    if refused:
        record(actor, "image.refuse", person, collection_id=collection.pk, codes=dict(refused))
    return outcomes


def crop_enrol(
    *,
    collection: Collection,
    person: Person | None,
    name: str,
    crop: LiveCrop,
    actor: Actor,
    then: Callable[[Person, FaceImage], None],
) -> ImageOutcome:
    """Enrol the face of a visit for `person`, or for a new person of this name. A refused picture
    adds no person. then: called within the transaction that stores the image."""
    person_id = person.pk if person else None
    try:
        look = Inspection(collection, person_id, caller=actor.name).look_at_crop(crop)
    except PictureRefused as refused:
        return _outcome(0, "", refused, {})
    owner = partial(_owner, collection, person, name, actor)
    images = _store(
        collection, owner, [look], "live", actor, then=lambda owner, rows: then(owner, rows[0])
    )
    return _outcome(0, "", look, images)


def face_store(
    *,
    collection: Collection,
    face: FaceToStore,
    image_id: UUID,
    owner: Callable[[], Person],
    actor: Actor,
    then: Callable[[Person, FaceImage], None],
) -> bool:
    """Enrol a face that was looked at before, as the image `image_id`; False if its person has this
    picture already. owner: gives the person, locked, within the transaction that stores the image.
    then: goes on within it."""
    images = _store(
        collection,
        owner,
        [face],
        "import",
        actor,
        image_id=image_id,
        then=lambda person, rows: then(person, rows[0]),
    )
    return bool(images)


def face_enrol(
    *,
    collection: Collection,
    person: Person | None,
    name: str,
    upload: Upload,
    choice: FaceChoice,
    source: str,
    actor: Actor,
) -> ImageOutcome:
    """Enrol one face of a picture for `person`, or for a new person of this name. A refused picture
    adds no person. choice: which face of it."""
    current = collection_for_enrolment(collection.pk)
    check_collection(person, current)
    person_id = person.pk if person else None
    try:
        inspection = Inspection(current, person_id, caller=actor.name, choice=choice)
        look = inspection.look_at_upload(upload.data)
    except PictureRefused as refused:
        codes = {refused.code: 1}
        record(actor, "image.refuse", person or current, collection_id=current.pk, codes=codes)
        return _outcome(0, upload.name, refused, {})
    owner = partial(_owner, current, person, name, actor)
    images = _store(current, owner, [look], source, actor)
    return _outcome(0, upload.name, look, images)


def image_move(*, image: FaceImage, person: Person | None, name: str, actor: Actor) -> FaceImage:
    """Give an image with its templates to another person, or to a new person of this name.

    ServiceError 409 `duplicate_image` if that person has this picture already.
    """
    check_collection(person, image.collection)

    def move() -> FaceImage:
        collection = lock_collection(image.collection_id)
        row = FaceImage.objects.filter(pk=image.pk).first()
        if row is None:
            raise not_found("image")
        source, *known = lock_people([row.person_id, *([person.pk] if person else [])])
        target = known[0] if known else _owner(collection, None, name, actor)
        if target.images.filter(sha256=row.sha256).exists():
            raise ServiceError("duplicate_image", _DUPLICATE, status=409)
        row.person = target
        row.save(update_fields=["person"])
        if not source.images.exists():
            decider_forget(collection.pk, [source.pk])
        note_changes(collection, list(row.templates.values_list("pk", flat=True)))
        record(actor, "image.move", row, collection_id=collection.pk, person=str(target.pk),
               before=str(source.pk))  # fmt: skip
        notice_write("person.enrolled", subject_id=target.pk, collection_id=collection.pk)
        return row

    moved = in_transaction(move)
    snapshots_follow(image.collection_id)
    return moved


def check_collection(person: Person | None, collection: Collection) -> None:
    """ServiceError 409 if the person belongs to another collection."""
    if person is not None and person.collection_id != collection.pk:
        message = "This person belongs to another collection."
        raise ServiceError("different_collections", message, status=409)


def image_delete(*, image: FaceImage, actor: Actor) -> None:
    """Delete an image with its templates and files."""

    def delete() -> None:
        collection = lock_collection(image.collection_id)
        person = lock_person(image.person_id)
        row = FaceImage.objects.filter(pk=image.pk, person=person).first()
        if row is None:
            return  # another request deleted it first
        templates = list(row.templates.values_list("pk", flat=True))
        remove_after_commit([row.file.name, row.original.name])
        record(actor, "image.delete", row, collection_id=collection.pk, person=str(person.pk))
        row.delete()
        if not Template.objects.filter(image__person=person).exists():
            decider_forget(collection.pk, [person.pk])
        note_changes(collection, templates)

    in_transaction(delete)
    snapshots_follow(image.collection_id)


def collection_for_enrolment(collection_id: UUID) -> Collection:
    """The collection as it is now. ServiceError 409 if its model version cannot be loaded."""
    row = Collection.objects.select_related("embedder").filter(pk=collection_id).first()
    if row is None:
        raise not_found("collection")
    require_version(row)
    return row


def _owner(collection: Collection, person: Person | None, name: str, actor: Actor) -> Person:
    """Within a transaction: the person, locked, or a new one of this name."""
    if person is not None:
        return lock_person(person.pk)
    made = Person.objects.create(collection=collection, name=name)
    record(actor, "person.create", made, collection_id=collection.pk)
    return made


def _look(inspection: Inspection, data: bytes, known: set[str]) -> FaceToStore | PictureRefused:
    # Find duplicates by their bytes, before any other work.
    if hashlib.sha256(data).hexdigest() in known:
        return PictureRefused("duplicate_image", _DUPLICATE)
    try:
        return inspection.look_at_upload(data)
    except PictureRefused as refused:
        return refused


def _outcome(
    index: int, name: str, look: FaceToStore | PictureRefused, images: dict[str, FaceImage]
) -> ImageOutcome:
    if isinstance(look, PictureRefused):
        return ImageOutcome(
            index,
            name,
            accepted=False,
            code=look.code,
            message=look.message,
            faces_found=look.faces_found,
            quality=look.quality,
            similar_to=look.similar_to,
            boxes=look.boxes,
        )
    image = images.get(look.sha256)
    return ImageOutcome(
        index,
        name,
        accepted=image is not None,
        code="accepted" if image is not None else "duplicate_image",
        message="The face is enrolled." if image is not None else _DUPLICATE,
        faces_found=look.faces_found,
        quality=look.face.quality,
        image=image,
    )


def _store(
    collection: Collection,
    lock: Callable[[], Person],
    findings: Sequence[FaceToStore],
    source: str,
    actor: Actor,
    *,
    image_id: UUID | None = None,
    then: Callable[[Person, Sequence[FaceImage]], None] | None = None,
) -> dict[str, FaceImage]:
    """Store files, then all rows in one transaction. Returns images by the hash of their upload,
    without those that another request stored meanwhile.

    lock: returns the locked person. image_id: of the one finding, if it is chosen already. then:
    called within the transaction.
    """
    if not findings:
        return {}
    with NewFiles() as files:
        images = {finding.sha256: _row(finding, source, actor) for finding in findings}
        if image_id is not None:
            images[findings[0].sha256].pk = image_id
        for finding in findings:
            image = images[finding.sha256]
            files.write(image.file, finding.cut.jpeg)
            if finding.original_jpeg:
                files.write(image.original, finding.original_jpeg)
        vectors: dict[str, Vectors] = {
            finding.sha256: {collection.embedder_id: _embedding(finding)} for finding in findings
        }

        def insert(now: Collection) -> set[str]:
            person = lock()
            taken = set(person.images.filter(sha256__in=images).values_list("sha256", flat=True))
            fresh = [finding for finding in findings if finding.sha256 not in taken]
            rows = [images[finding.sha256] for finding in fresh]
            _insert(now, person, rows, [vectors[finding.sha256] for finding in fresh])
            if rows:
                ids = [str(row.pk) for row in rows]
                record(actor, "image.enrol", person, collection_id=collection.pk, images=ids)
                notice_write("person.enrolled", subject_id=person.pk, collection_id=collection.pk)
                if then is not None:
                    then(person, rows)
            return taken

        pairs = [(images[sha256], vectors[sha256]) for sha256 in images]
        for sha256 in with_all_models(collection, pairs, insert, actor):
            image = images.pop(sha256)
            files.discard(image.file, image.original)
    return images


def _row(finding: FaceToStore, source: str, actor: Actor) -> FaceImage:
    x1, y1, x2, y2 = (round(float(value), 1) for value in finding.face.box)
    parts = asdict(finding.face.quality) if finding.face.quality else {}
    return FaceImage(
        sha256=finding.sha256,
        box=[x1, y1, round(x2 - x1, 1), round(y2 - y1, 1)],
        landmarks=[[round(float(x), 1), round(float(y), 1)] for x, y in finding.face.landmarks],
        crop_left=finding.cut.left,
        crop_top=finding.cut.top,
        crop_scale=finding.cut.scale,
        crop_turn=finding.cut.turn,
        quality=finding.quality,
        quality_parts=parts,
        source=source,
        added_by=actor.name[:200],
    )


def _embedding(finding: FaceToStore) -> Float32:
    assert finding.face.embedding is not None  # analyze() gives every face one
    return finding.face.embedding


def _insert(
    collection: Collection, person: Person, images: Sequence[FaceImage], vectors: Sequence[Vectors]
) -> None:
    for image in images:
        image.person, image.collection_id = person, person.collection_id
    FaceImage.objects.bulk_create(images)
    detector = detector_version()
    made = [
        template
        for image, each in zip(images, vectors, strict=True)
        for template in templates_of(collection, image, each, detector)
    ]
    Template.objects.bulk_create(made)
    # MySQL does not return the ids of rows that it inserted together.
    ids = Template.objects.filter(image__in=images).values_list("pk", flat=True)
    note_changes(collection, ids)
