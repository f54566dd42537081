"""Faces that another installation stored: taken over as they are, without looking at them anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from accounts.audit import Actor, record
from ml_engine.types import Float32, ImageError
from recognition.notices.services.notices import notice_write
from recognition.people.index import note_changes
from recognition.people.models import Collection, FaceImage, ModelVersion, Person
from recognition.people.services.inspection import PictureRefused
from recognition.people.services.pictures import decoded
from recognition.people.services.reembedding import stored_embedding
from recognition.people.services.second_model import Vectors, templates_of, with_all_models
from recognition.web.boundaries import ColumnValues
from recognition.web.files import NewFiles


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face as another installation stored it. values: columns of its image. vector: (d,) of the
    collection's model version, or None if there is none; detector: the version that found it.
    models: versions of which there is a template."""

    values: ColumnValues
    jpeg: bytes
    original: bytes
    vector: Float32 | None
    detector: str | None
    models: tuple[str, ...]


def face_restore(
    *,
    collection: Collection,
    face: StoredFace,
    image_id: UUID,
    owner: Callable[[], Person],
    actor: Actor,
    then: Callable[[Person, FaceImage], None],
) -> bool:
    """Store it as the image `image_id`; False if its person has this picture already. Without a
    vector the face is embedded anew. owner: gives the person, locked, within the transaction; then
    goes on within it. PictureRefused if the files are no pictures, or no face is in the crop."""
    _check_picture(face.jpeg)
    if face.original:
        _check_picture(face.original)
    with NewFiles() as files:
        image = FaceImage(pk=image_id, source="import", added_by=actor.name[:200], **face.values)
        files.write(image.file, face.jpeg)
        if face.original and collection.keeps_originals:
            files.write(image.original, face.original)
        vector = face.vector
        if vector is None:
            vector = stored_embedding(collection, collection.embedder, image)
        if vector is None:
            raise PictureRefused("no_face", "No face was found in the stored picture.")
        _check_dimension(collection, vector)
        vectors: Vectors = {collection.embedder_id: vector}
        detector = _detector(face.detector)

        def insert(now: Collection) -> bool:
            image.person, image.collection = owner(), collection
            if image.person.images.filter(sha256=image.sha256).exists():
                return False
            image.save(force_insert=True)
            templates = templates_of(now, image, vectors, detector)
            for template in templates:
                template.save(force_insert=True)
            note_changes(collection, [template.pk for template in templates])
            ids = [str(image.pk)]
            record(actor, "image.enrol", image.person, collection_id=collection.pk, images=ids)
            notice_write("person.enrolled", subject_id=image.person.pk, collection_id=collection.pk)
            then(image.person, image)
            return True

        is_new = with_all_models(collection, [(image, vectors)], insert, actor)
        if not is_new:
            files.discard_all()
    return is_new


def _check_picture(data: bytes) -> None:
    try:
        with decoded(data):
            pass
    except ImageError as error:
        raise PictureRefused(error.code, error.message) from error


def _check_dimension(collection: Collection, vector: Float32) -> None:
    if len(vector) != collection.embedder.dimension:
        message = f"Its template has {len(vector)} numbers, not {collection.embedder.dimension}."
        raise PictureRefused("bad_export", message)


def _detector(version: str | None) -> ModelVersion | None:
    """Its row, if this installation knows it."""
    if version is None:
        return None
    rows = ModelVersion.objects.filter(role=ModelVersion.Role.DETECTOR, name=version.split("@")[0])
    return next((row for row in rows if row.version == version), None)
