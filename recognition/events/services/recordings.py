"""Recordings: uploaded, analysed by a job, closed, kept for a while or not, deleted and swept."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.bulk.archives.pieces import opened
from recognition.bulk.services.archives import (
    UPLOAD_KEPT,
    archive_create,
    archive_remove,
    check_complete,
    piece_put,
)
from recognition.cameras.models import Camera
from recognition.cameras.services.streams import OwnStream, stream_begin
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.recorded import opened_recording
from recognition.events.models import Event, Recording
from recognition.events.services.events import events_delete
from recognition.events.services.streams import streams_end_lapsed
from recognition.jobs.context import JobContext
from recognition.jobs.services import job_cancel, job_start
from recognition.people.models import Collection, Person
from recognition.people.services.locks import lock_collection
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError, not_found
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


def recording_piece(*, recording: Recording, offset: int, data: bytes) -> int:
    """The next bytes of its video; see `piece_put`."""
    if recording.state != Recording.State.UPLOADING or recording.archive is None:
        raise ServiceError("recording_started", "The recording is all here already.", status=409)
    return piece_put(archive=recording.archive, offset=offset, data=data)


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

    def start() -> Recording:
        row = _locked(recording)
        if row.state == Recording.State.UPLOADING:
            row.job = job_start(
                kind="recording",
                actor=actor,
                parameters={"recording": str(row.pk)},
                collection=row.collection_id,
            )
            row.state = Recording.State.STARTED
            row.save(update_fields=["job", "state"])
        return row

    return in_transaction(start)


def recording_attempt(context: JobContext, recording: Recording) -> OwnStream:
    """A new stream for this attempt of the job, and nothing left of the visits of an earlier one.
    ServiceError 503 while the process of an earlier one may still write."""
    streams_end_lapsed()

    def begin() -> OwnStream:
        context.check()
        collection = lock_collection(recording.collection_id)
        row = _locked(recording)
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

    def close() -> None:
        row = Recording.objects.select_for_update().filter(pk=recording.pk).first()
        if row is None or row.state == Recording.State.OVER:
            return
        if not row.is_kept:
            archive_remove(row.archive)
            row.archive = None
        row.state, row.ended_at = Recording.State.OVER, timezone.now()
        row.save(update_fields=["state", "archive", "ended_at"])

    in_transaction(close)


def recording_settle(recording: Recording) -> bool:
    """Close it if its job is over without having done so. True if it was."""
    job = recording.job
    if recording.state != Recording.State.STARTED or (job is not None and job.is_open):
        return False
    recording_close(recording)
    return True


def recording_cancel(*, recording: Recording, actor: Actor) -> None:
    """Visits that were found stay. ServiceError 409 `job_ended`."""
    if recording.job is None:
        raise ServiceError("job_ended", "It has no job that could be cancelled.", status=409)
    job_cancel(job=recording.job, actor=actor)
    recording.refresh_from_db()
    recording_settle(recording)


def recording_delete(*, recording: Recording, actor: Actor) -> None:
    """The recording with its video. Its events stay. ServiceError 409 `job_open` while its job
    runs."""

    def delete() -> None:
        row = _locked(recording)
        if row.job is not None and row.job.is_open:
            raise ServiceError("job_open", "Cancel its job first.", status=409)
        record(actor, "recording.delete", row, collection_id=row.collection_id)
        _forget(row)

    in_transaction(delete)


def recordings_sweep() -> int:
    """What is left of jobs that are gone, uploads that nobody goes on with, and kept videos that
    are old; returns how many."""
    now = timezone.now()
    started = Recording.objects.filter(state=Recording.State.STARTED).select_related("job")
    over = sum(recording_settle(row) for row in started)
    stale = Recording.objects.filter(
        state=Recording.State.UPLOADING, archive__updated_at__lt=now - UPLOAD_KEPT
    )
    kept = timedelta(days=settings.RECORDINGS_KEPT_DAYS)
    old = Recording.objects.filter(state=Recording.State.OVER, ended_at__lt=now - kept)
    ended = [*stale, *old]
    for row in ended:
        in_transaction(lambda row=row: _forget(row))  # type: ignore[misc]
    return over + len(ended)


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


def _locked(recording: Recording) -> Recording:
    row = Recording.objects.select_for_update().filter(pk=recording.pk).first()
    if row is None:
        raise not_found("recording")
    return row


def _forget(recording: Recording) -> None:
    archive_remove(recording.archive)
    recording.delete()
