"""Recordings: uploaded, analysed by a job, closed, kept for a while or not, deleted and swept."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.bulk.archives.pieces import opened
from recognition.bulk.services.archives import archive_create, archive_remove, check_complete
from recognition.bulk.services.uploads import (
    upload_close,
    upload_delete,
    upload_drop_file,
    upload_locked,
    upload_start,
    uploads_sweep,
)
from recognition.cameras.models import Camera
from recognition.cameras.services.streams import OwnStream, stream_begin
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.recorded import opened_recording
from recognition.events.models import Event, Recording
from recognition.events.services.events import events_delete
from recognition.events.services.streams import streams_end_lapsed
from recognition.jobs.context import JobContext
from recognition.jobs.owners import owner_cancel
from recognition.people.models import Collection, Person
from recognition.people.services.locks import lock_collection
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.transactions import in_transaction


def recording_create(
    *,
    collection: Collection,
    camera: Camera | None,
    name: str,
    size: int,
    recorded_at: datetime,
    min_face_px: int,
    is_kept: bool,
    actor: Actor,
) -> Recording:
    """A recording that waits for its video of `size` bytes. ServiceError 413, 507; 422
    `recording_too_old` if its visits would be removed at once."""
    if camera is not None and camera.collection_id != collection.pk:
        raise ServiceError("wrong_collection", "This camera belongs to another collection.")
    _refuse_old(collection, recorded_at)

    def create() -> Recording:
        row = Recording.objects.create(
            collection_id=collection.pk,
            camera=camera,
            name=name[:200],
            recorded_at=recorded_at,
            min_face_px=min_face_px,
            is_kept=is_kept,
            archive=archive_create(size),
            created_by=actor.name[:200],
        )
        record(actor, "recording.create", row, collection_id=collection.pk, bytes=size)
        return row

    return in_transaction(create)


def recording_finish(*, recording: Recording, actor: Actor) -> Recording:
    """All of it is here: look whether it can be played, and start the job. Asked again, the same.

    ServiceError 409 `archive_incomplete`; 422 `not_a_video`, and then nothing of it is left.
    """
    archive = recording.archive
    if recording.state != Recording.State.UPLOADING or archive is None:
        return recording
    archive.refresh_from_db()
    check_complete(archive)
    try:
        with opened(archive) as file, opened_recording(file, 1.0) as frames:
            next(frames, None)
    except SourceFailed as error:
        in_transaction(lambda: _forget(recording))
        raise ServiceError("not_a_video", str(error), status=422) from error

    return upload_start(upload=recording, actor=actor)


def recording_attempt(context: JobContext, recording: Recording) -> OwnStream:
    """A new stream for this attempt of the job, and nothing left of the visits of an earlier one.
    ServiceError 503 while the process of an earlier one may still write."""
    streams_end_lapsed()

    def begin() -> OwnStream:
        context.check()
        collection = lock_collection(recording.collection_id)
        row = upload_locked(recording)
        if row.stream is not None and row.stream.ended_at is None:
            message = "Its last attempt has not ended yet."
            raise ServiceError("recording_busy", message, status=503)
        if row.stream is not None:
            events_delete(Event.objects.filter(stream=row.stream), collection)
        stream = stream_begin(
            stream_id=uuid7(),
            collection=collection,
            camera=row.camera,
            caller=f"recording {row.name}",
        )
        row.stream_id = stream.id
        row.save(update_fields=["stream"])
        return stream

    return in_transaction(begin)


def recording_close(recording: Recording) -> None:
    """Its job is over: the video goes, unless it is kept."""

    def end(row: Recording) -> None:
        if not row.is_kept:
            upload_drop_file(row)

    upload_close(recording, end)


def recording_cancel(*, recording: Recording, actor: Actor) -> None:
    """Visits that were found stay. ServiceError 409 `job_ended`."""
    owner_cancel(recording, recording_close, actor=actor)


def recording_delete(*, recording: Recording, actor: Actor) -> None:
    """The recording with its video. Its events stay. ServiceError 409 `job_open` while its job
    runs."""
    upload_delete(upload=recording, actor=actor, forget=_forget)


def recordings_sweep() -> int:
    """What is left of jobs that are gone, uploads that get no more pieces, and kept videos that
    are old; returns how many."""
    return uploads_sweep(
        Recording,
        kept_days=settings.RECORDINGS_KEPT_DAYS,
        close=recording_close,
        forget=_forget,
    )


def recordings_of_collection_delete(collection: Collection) -> None:
    """Within the transaction that deletes the collection."""
    for row in Recording.objects.filter(collection=collection.pk).select_related("archive"):
        _forget(row)


def recordings_forget(collection: Collection, person: Person) -> Traced:
    """The person may be seen in any video of the collection: kept ones go now, and others at the
    end of their job."""
    rows = Recording.objects.filter(collection=collection.pk)
    over = list(rows.filter(state=Recording.State.OVER).exclude(archive=None))
    for row in over:
        archive_remove(row.archive)
    rows.update(is_kept=False)
    return Traced({"recordings": len(over)})


def recordings_move(collection: Collection, source: Person, target: Person) -> Traced:
    """A video names no person."""
    return Traced()


def _refuse_old(collection: Collection, recorded_at: datetime) -> None:
    days = collection.event_retention_days
    if days and recorded_at < timezone.now() - timedelta(days=days):
        message = f"Events of this collection are kept for {days} days; the recording is older."
        raise ServiceError("recording_too_old", message, status=422)


def _forget(recording: Recording) -> None:
    archive_remove(recording.archive)
    recording.delete()
