"""Videos and pictures of this machine's disk as recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av

from accounts.audit import Actor
from recognition.bulk.services.folders import folder_bytes, write_file, write_folder
from recognition.cameras.models import Camera
from recognition.cameras.sources.recorded import PICTURES, VIDEOS
from recognition.events.models import Recording
from recognition.events.services.recordings import (
    recording_create,
    recording_delete,
    recording_finish,
)
from recognition.people.models import Collection


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A video, or all pictures of a folder. recorded_at: of its first frame, by the times of its
    files; a camera closes a file at its end."""

    name: str
    folder: Path
    files: list[Path]
    recorded_at: datetime

    @property
    def is_video(self) -> bool:
        return self.files[0].suffix.lower() in VIDEOS


def recordings_found(path: Path) -> Iterator[FoundRecording]:
    """The videos of a file or a folder, and its pictures as one recording."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.is_file()]
    for file in files:
        if file.suffix.lower() in VIDEOS:
            begun = _written(file) - timedelta(seconds=_length_s(file))
            yield FoundRecording(file.name, file.parent, [file], begun)
    if pictures := [file for file in files if file.suffix.lower() in PICTURES]:
        folder = path if path.is_dir() else path.parent
        yield FoundRecording(folder.name, folder, pictures, min(map(_written, pictures)))


def recording_bring(
    *,
    found: FoundRecording,
    collection: Collection,
    camera: Camera | None,
    recorded_at: datetime | None,
    min_face_px: int,
    is_kept: bool,
    actor: Actor,
) -> Recording:
    """Bring it to where workers read it, and start its analysis. What was begun is removed again if
    that fails. recorded_at: None for that of the files."""
    recording = recording_create(
        collection=collection,
        camera=camera,
        name=found.name,
        size=found.files[0].stat().st_size if found.is_video else folder_bytes(found.files),
        recorded_at=recorded_at or found.recorded_at,
        min_face_px=min_face_px,
        is_kept=is_kept,
        actor=actor,
    )
    try:
        if found.is_video:
            write_file(recording, found.files[0])
        else:
            assert recording.archive is not None  # just made
            write_folder(recording.archive, found.folder, found.files)
        recording.refresh_from_db()
        return recording_finish(recording=recording, actor=actor)
    except BaseException:
        if Recording.objects.filter(pk=recording.pk, state=Recording.State.UPLOADING).exists():
            recording_delete(recording=recording, actor=actor)
        raise


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _length_s(path: Path) -> float:
    """0 if the file does not tell it."""
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            return (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError):
        return 0.0
