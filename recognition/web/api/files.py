"""The only code that sends pictures of people. Each view is audited, and answers are not cached."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.http import HttpResponse
from rest_framework import serializers

from accounts.audit import Actor, record_view
from recognition.web.errors import not_found
from recognition.web.storage import media_problem, problem_of, storage_refusal


class PictureVersion(serializers.Serializer):
    """The query of every address that answers with a picture."""

    of = serializers.CharField(
        required=False,
        max_length=100,
        help_text="Any text. With a different text, a browser fetches the picture again.",
    )


def face_file(file: FieldFile, *, owner: Model, collection_id: UUID, actor: Actor) -> HttpResponse:
    """The JPEG behind `file` of the row `owner`; 404 if the file does not exist."""
    if not file:
        raise not_found("picture")
    try:
        with file.open("rb") as opened:
            content = opened.read()
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        if problem := media_problem() if is_missing else problem_of(error):
            raise storage_refusal(problem) from error
        if not is_missing:
            raise
        raise not_found("picture") from None
    person_id = getattr(owner, "person_id")  # noqa: B009 - of images and events
    record_view(actor, owner, person_id=person_id, collection_id=collection_id)
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Disposition"] = "inline"
    return response
