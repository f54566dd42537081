"""Clips of events: begun with their first event, shared by those that begin together, stored or
lost later, made playable by a job, deleted with their last event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.cameras.mp4 import Unplayable, Video, mp4_of, playable_mp4
from recognition.cameras.sources.packets import VideoPacket
from recognition.events.models import Clip, Event
from recognition.events.services.publishing import announce_progress
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.services.locks import lock_collection
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import NewFiles, remove_after_commit
from recognition.web.transactions import in_transaction

# A clip that is not stored by then never will be: its process is gone.
_STORED_WITHIN = timedelta(minutes=15)
_BATCH = 500
_PROCESS_GONE = "The server stopped before it was written."


@dataclass(frozen=True, slots=True)
class ClipWanted:
    """A clip of a visit. is_cut: it is complete; if it has no row, then it was deleted."""

    id: UUID
    begins_at: datetime
    ends_at: datetime
    is_cut: bool = False


def clip_begin(event: Event, wanted: ClipWanted) -> None:
    """Within the transaction that makes the event, before it is saved. A complete clip that has no
    row gets none, because its file is never stored again."""
    clip = Clip.objects.select_for_update().filter(pk=wanted.id).first()
    if clip is None and wanted.is_cut:
        return
    if clip is None:
        clip = Clip(pk=wanted.id, begins_at=wanted.begins_at, ends_at=wanted.ends_at)
        clip.save(force_insert=True)
    elif clip.ends_at < wanted.ends_at:
        clip.ends_at = wanted.ends_at
        clip.save(update_fields=["ends_at"])
    event.clip = clip


def clip_store(*, clip_id: UUID, packets: Sequence[VideoPacket]) -> bool:
    """Store the file of a clip. False if its event is not written yet, or was deleted.

    Unplayable; ServiceError if there is no room, or if a person of the collection was erased since
    the clip began: it may show that person.
    """
    event = Event.objects.defer("vector").select_related("clip").filter(clip=clip_id).first()
    if event is None:
        return False
    assert event.clip is not None  # it was asked for
    video = mp4_of(packets)
    # It begins at a key frame, which may have come before the time that was wanted.
    begins_at = min(event.clip.begins_at, datetime.fromtimestamp(packets[0].at_s, UTC))
    # It may have been lengthened for a visit whose event is not written yet.
    ends_at = max(event.clip.ends_at, datetime.fromtimestamp(packets[-1].at_s, UTC))
    with NewFiles() as files:
        fresh = Clip(pk=clip_id)
        files.write(fresh.file, video.content)

        def store() -> bool:
            erased_at = lock_collection(event.collection_id).last_erasure_at
            if erased_at is not None and erased_at >= begins_at:
                raise ServiceError("person_erased", "A person was erased meanwhile.", status=409)
            # A row that is ready is of an attempt whose answer was lost; its file was removed.
            rows = Clip.objects.filter(pk=clip_id).exclude(state=Clip.State.LOST)
            changed = rows.update(
                state=Clip.State.READY,
                begins_at=begins_at,
                ends_at=ends_at,
                file=str(fresh.file.name),
                **_figures(video),
            )
            return _told(clip_id, changed)

        if not in_transaction(store):
            files.discard_all()
    return True


def clip_lose(*, clip_id: UUID, message: str) -> bool:
    """Write why there is no clip. False if its event is not written yet, or was deleted."""
    rows = Clip.objects.filter(pk=clip_id)

    def lose() -> bool:
        recording = rows.filter(state=Clip.State.RECORDING)
        return _told(clip_id, recording.update(state=Clip.State.LOST, message=message[:200]))

    return in_transaction(lose) or rows.exists()


def clips_lose_of_stream(stream_id: UUID) -> None:
    """The process that recorded these clips is gone."""
    _lose_all(Clip.objects.filter(events__stream=stream_id).distinct())


def clips_sweep() -> int:
    """Write of clips that were never stored that they are lost; returns how many."""
    limit = timezone.now() - _STORED_WITHIN
    return _lose_all(Clip.objects.filter(ends_at__lt=limit))


def _lose_all(clips: QuerySet[Clip]) -> int:
    left = clips.filter(state=Clip.State.RECORDING).values_list("pk", flat=True)
    return sum(clip_lose(clip_id=pk, message=_PROCESS_GONE) for pk in list(left))


def clips_delete(events: QuerySet[Event]) -> list[str]:
    """Within a transaction: delete the clips of these events, also if others share them; returns
    the names of their files."""
    return _deleted(clip_ids_of(events))


def clips_delete_unused(clip_ids: Sequence[UUID]) -> list[str]:
    """The same for clips, after events of them were deleted: those that no event has any more."""
    return _deleted(clip_ids, events=None)


def clip_ids_of(events: QuerySet[Event]) -> list[UUID]:
    return list(events.order_by().exclude(clip=None).values_list("clip", flat=True).distinct())


def _deleted(clip_ids: Sequence[UUID], **only: None) -> list[str]:
    names: list[str] = []
    for start in range(0, len(clip_ids), _BATCH):
        clips = Clip.objects.filter(pk__in=clip_ids[start : start + _BATCH], **only)
        # Locked: a job that encodes one of them must not put another file in its place meanwhile.
        names += clips.select_for_update().values_list("file", flat=True)
        clips.delete()
    return names


def clip_of(event: Event) -> Clip:
    """The stored clip of an event; `not_found` if there is none."""
    if event.clip is None or not event.clip.file:
        raise not_found("clip")
    return event.clip


def clip_convert(*, event: Event, actor: Actor) -> Job:
    """Start a job that encodes the clip again, so that every browser plays it; while one is open,
    that one. ServiceError 409 `clip_playable` if there is nothing to do."""
    clip = clip_of(event)

    def start() -> Job:
        rows = Clip.objects.select_for_update().select_related("job")
        row = rows.filter(pk=clip.pk).first()
        if row is None:
            raise not_found("clip")
        if row.is_playable:
            raise ServiceError("clip_playable", "Browsers play this clip already.", status=409)
        if row.job is not None and row.job.is_open:
            return row.job
        row.job = job_start(
            kind="convert_clip",
            actor=actor,
            parameters={"clip": str(row.pk)},
            collection=event.collection_id,
        )
        row.save(update_fields=["job"])
        return row.job

    return in_transaction(start)


def clip_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The kind of job that encodes a clip again. An attempt that was killed leaves a file that no
    row names."""
    clip = Clip.objects.filter(pk=str(parameters["clip"])).first()
    if clip is None or not clip.file:
        raise not_found("clip")
    if clip.is_playable:
        return {"bytes": clip.bytes}  # the worker was killed between this end and the job's
    try:
        with clip.file.open("rb") as file:
            video = playable_mp4(file.read(), lambda done: context.progress(done, "encoding"))
    except FileNotFoundError:
        raise not_found("clip") from None
    except Unplayable as error:
        raise ServiceError("clip_broken", str(error), status=422) from error
    with NewFiles() as files:
        fresh = Clip(pk=clip.pk)
        files.write(fresh.file, video.content)

        def replace() -> None:
            context.check()
            row = Clip.objects.select_for_update().filter(pk=clip.pk).first()
            if row is None:
                raise not_found("clip")
            remove_after_commit([row.file.name])
            Clip.objects.filter(pk=row.pk).update(file=fresh.file.name, **_figures(video))
            record(context.actor, "clip.convert", row, collection_id=context.collection_id)
            _tell(row.pk)

        in_transaction(replace)
    return {"bytes": len(video.content)}


def _figures(video: Video) -> dict[str, str | int | float]:
    return {"codec": video.codec, "seconds": video.seconds, "bytes": len(video.content)}


def _told(clip_id: UUID, changed: int) -> bool:
    """False if no row was changed: the clip is over, or deleted."""
    if changed:
        _tell(clip_id)
    return changed > 0


def _tell(clip_id: UUID) -> None:
    """Open pages see the change."""
    rows = Event.objects.defer("vector").select_related("clip", "camera", "person")
    for event in rows.filter(clip=clip_id):
        announce_progress(event)
