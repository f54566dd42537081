"""The only code that sends pictures and clips of people. Each view is audited, and answers are not
cached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.core.files import File
from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework import serializers

from accounts.audit import Actor, record_view
from recognition.web.errors import ServiceError, not_found
from recognition.web.storage import media_problem, problem_of, storage_refusal
from recognition.web.streaming import stream

_CHUNK = 256 * 1024
# One part of a file. Others are answered with the whole file, as RFC 9110 allows.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


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
    with _failures_told("picture"), file.open("rb") as opened:
        content = opened.read()
    person_id = getattr(owner, "person_id")  # noqa: B009 - of images and events
    record_view(actor, owner, person_id=person_id, collection_id=collection_id)
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Disposition"] = "inline"
    return response


class VideoQuery(PictureVersion):
    """The query of an address that answers with a video."""

    download = serializers.BooleanField(
        required=False, default=False, help_text="Save it instead of playing it."
    )


def video_file(
    file: FieldFile,
    *,
    owner: Model,
    person_id: UUID | None,
    collection_id: UUID,
    actor: Actor,
    wanted: str,
    name: str,
    as_attachment: bool,
) -> StreamingHttpResponse:
    """The MP4 behind `file` of the row `owner`, or the part of it that is wanted, the value of the
    header Range. Parts of one viewing count as one view. 404 if the file does not exist; 416."""
    if not file:
        raise not_found("clip")
    with _failures_told("clip"):
        size = file.size
        part = _part_of(wanted, size)
        # Before the answer begins: afterwards nobody could be told that the file is gone.
        opened = file.open("rb")
    first, last = part or (0, size - 1)
    record_view(actor, owner, person_id=person_id, collection_id=collection_id, is_more=first > 0)
    pieces = _pieces(opened, first, last)
    response = stream(pieces, name=name, content_type="video/mp4", as_attachment=as_attachment)
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(last - first + 1)
    if part is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


def _part_of(wanted: str, size: int) -> tuple[int, int] | None:
    """The first and the last byte; None for the whole file. ServiceError 416."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is None:
        first, last = max(0, size - (last or 0)), size - 1
    if last is not None and last < first < size:
        return None
    if first >= size:
        message = f"The file has {size} bytes."
        raise ServiceError("range_not_satisfiable", message, status=416, size=size)
    return first, size - 1 if last is None else min(last, size - 1)


def _pieces(file: File, first: int, last: int) -> Iterator[bytes]:
    with file as opened:
        opened.seek(first)
        left = last - first + 1
        while piece := opened.read(min(_CHUNK, left)):
            left -= len(piece)
            yield piece


@contextmanager
def _failures_told(what: str) -> Iterator[None]:
    """A file that cannot be read is a problem of the disk, or it is gone."""
    try:
        yield
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        if problem := media_problem() if is_missing else problem_of(error):
            raise storage_refusal(problem) from error
        if not is_missing:
            raise
        raise not_found(what) from None
