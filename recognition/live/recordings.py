"""The job that analyses a recording: as a live session does, on the recording's own clock, and as
fast as the machine can. After a killed attempt it starts again from the first frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from accounts.audit import record
from ml_engine import EngineBusy, ImageError
from recognition.bulk.archives.pieces import opened
from recognition.cameras.services.streams import OwnStream
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.recorded import RecordedFrame, opened_recording
from recognition.engine import get_engine
from recognition.events.models import Event, Recording
from recognition.events.services.recordings import recording_attempt, recording_close
from recognition.jobs.context import JobCancelled, JobContext
from recognition.jobs.kinds import JsonObject
from recognition.live.camera_settings import settings_followed
from recognition.live.pipeline import FramePipeline
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Load
from recognition.live.view import View
from recognition.live.writer import visit_writer
from recognition.people.services.pictures import ask_of
from recognition.web.errors import ServiceError, not_found
from recognition.web.leases import KeptLease, LeaseKeeper
from recognition.web.process import process
from recognition.web.transactions import in_transaction

# Faces are followed from one frame to the next; more frames a second add little.
_FPS = 10.0
_BUSY_PAUSE_S = 0.2
# Visits wait for the database in memory: after so many frames the job waits for it.
_FRAMES_AHEAD = 25
_WRITTEN_WITHIN_S = 5.0
_ENGINE_WITHIN_S = 300.0


def recording_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The kind of job that analyses a recording. A refusal and a cancel close the recording; visits
    that were found by then stay."""
    recording = (
        Recording.objects.select_related("collection__embedder", "archive", "camera")
        .filter(pk=str(parameters["recording"]))
        .first()
    )
    if recording is None:
        raise not_found("recording")
    if recording.state == Recording.State.OVER and recording.job_id == context.job_id:
        return _counts(recording)  # the worker was killed between this end and the job's
    try:
        _analyse(context, recording)
    except JobCancelled:
        recording_close(recording)
        raise
    except SourceFailed as error:
        recording_close(recording)
        raise ServiceError("not_a_video", str(error), status=422) from error
    except ServiceError as error:
        if error.status < 500:
            recording_close(recording)
        raise
    return _end(context, recording)


def _analyse(context: JobContext, recording: Recording) -> None:
    if recording.archive is None:
        raise ServiceError("recording_over", "This recording has no video.", status=409)
    get_engine(wait_s=_ENGINE_WITHIN_S)
    with (
        _own_stream(context, recording) as (stream, kept),
        opened(recording.archive) as file,
        opened_recording(file, _FPS) as frames,
    ):
        settings = settings_followed(recording.camera_id)
        rulebook = Rulebook(recording.collection, lambda: settings().model_id)
        pipeline = FramePipeline(
            rulebook,
            stream,
            lambda *_: None,
            ask=ask_of(str(stream.id), priority="bulk"),
            min_face_px=recording.min_face_px,
        )
        try:
            for number, frame in enumerate(frames):
                kept.check()
                _see(context, recording, pipeline, frame)
                if number % _FRAMES_AHEAD == 0:
                    _await_writer(context)
                context.progress(frame.done or 0.0, f"{_clock(frame.at_s)} analysed")
        finally:
            pipeline.visits.close()
    _await_writer(context)


@contextmanager
def _own_stream(context: JobContext, recording: Recording) -> Iterator[tuple[OwnStream, KeptLease]]:
    """The stream of this attempt, owned until its last visit is written."""
    stream = recording_attempt(context, recording)
    kept = process().part(LeaseKeeper).keep(stream.rows, stream.lease)
    try:
        yield stream, kept
    finally:
        visit_writer().end(stream, kept)


def _see(
    context: JobContext, recording: Recording, pipeline: FramePipeline, frame: RecordedFrame
) -> None:
    """One frame; while engine or database are away, the same one again."""
    came_at = recording.recorded_at + timedelta(seconds=frame.at_s)
    taken_at = timezone.now()
    view = View(frame.picture)
    while True:
        try:
            pipeline.follow_rules()
            seen = pipeline.see(view, frame.at_s, came_at, {}, Load())
            break
        except ImageError as error:
            context.log(f"{_clock(frame.at_s)}: {error.message}")
            return
        except EngineBusy:
            time.sleep(_BUSY_PAUSE_S)
        except (DatabaseError, InterfaceError):
            connections.close_all()
        context.check()
    if seen:
        pipeline.visits.keep_pictures(view.image, seen, taken_at=taken_at)
    pipeline.visits.close_gone(frame.at_s)


def _await_writer(context: JobContext) -> None:
    while not visit_writer().flush(_WRITTEN_WITHIN_S):
        context.check()


def _end(context: JobContext, recording: Recording) -> JsonObject:
    counts = _counts(recording)

    def end() -> None:
        context.check()
        recording_close(recording)
        pk = recording.collection_id
        record(context.actor, "recording.end", recording, collection_id=pk, counts=counts)

    in_transaction(end)
    return counts


def _counts(recording: Recording) -> JsonObject:
    recording.refresh_from_db(fields=["stream"])
    events = Event.objects.filter(stream=recording.stream_id)
    people = events.exclude(person=None).order_by().values("person").distinct().count()
    return {"events": events.count(), "people": people}


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=int(seconds)))
