"""What a model sees of a stored face."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from accounts.audit import Actor, record_view
from ml_engine.embedding.aligner import aligner_of
from ml_engine.inside import Inside, look_inside
from ml_engine.types import EngineError
from recognition.engine import get_engine
from recognition.people.models import FaceImage, ModelVersion
from recognition.people.services.pictures import decoded
from recognition.people.services.reembedding import stored_face
from recognition.web.errors import ServiceError


def insight(*, version: ModelVersion, image: FaceImage, actor: Actor) -> Inside:
    """Run the model on a stored face and keep what lies between input and output; see
    `ml_engine.inside`. The look at the face is recorded.

    ServiceError 422 `engine_error` codes if the model cannot be looked into; 404 `face_gone` if the
    stored picture cannot be read any more.
    """
    try:
        card = get_engine().embedder(version.version)
        with decoded(_content(image)) as picture:
            face = stored_face(picture, image)
            if face is None:
                raise _gone()
            (crop,) = aligner_of(card).crops(picture, face.landmarks[None], face.box[None])
        seen = look_inside(card, Path(settings.WEIGHTS_DIR), crop)
    except EngineError as error:
        raise ServiceError(error.code, error.message, status=422) from error
    record_view(actor, image, person_id=image.person_id, collection_id=image.collection_id)
    return seen


def _content(image: FaceImage) -> bytes:
    try:
        with image.file.open("rb") as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise _gone() from error


def _gone() -> ServiceError:
    return ServiceError(
        "face_gone", "The picture of this face cannot be read any more.", status=404
    )
