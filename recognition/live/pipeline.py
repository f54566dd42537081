"""One frame after another through recogniser and visits, on the clock of the frames.

For one stream, in its thread: of a session, which takes the newest frame of a source, or of a job,
which reads a recording as fast as it can.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ml_engine.request import Ask, Timings
from recognition.cameras.services.streams import OwnStream
from recognition.engine import get_engine
from recognition.live.areas import EVERYWHERE, Areas
from recognition.live.recogniser import Recogniser, SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Load
from recognition.live.view import View
from recognition.live.visit_log import VisitLog
from recognition.live.writer import Tell


class FramePipeline:
    """tell: called for each visit that begins, changes or ends. ask: see `Recogniser`. areas: gives
    the parts of the picture in which faces count. ServiceError if the collection's model is not
    there."""

    def __init__(
        self,
        rulebook: Rulebook,
        stream: OwnStream,
        tell: Tell,
        *,
        ask: Ask,
        min_face_px: int | None,
        areas: Callable[[], Areas] = lambda: EVERYWHERE,
    ) -> None:
        get_engine().embedder(rulebook.collection.embedder.version)
        self.recogniser = Recogniser(rulebook, ask=ask, min_face_px=min_face_px, areas=areas)
        self.visits = VisitLog(rulebook, stream, tell)

    def follow_rules(self) -> None:
        """Read the collection's rules again if it is time. If its model is another one now, tracks
        and visits go on, and every face is looked at again. ServiceError if it is gone."""
        rulebook = self.recogniser.rulebook
        if rulebook.reread():
            get_engine().embedder(rulebook.collection.embedder.version)
            self.recogniser.change_model()
            self.visits.change_model()

    def see(
        self, view: View, at_s: float, came_at: datetime, timings: Timings, load: Load
    ) -> list[SeenFace]:
        """The faces of a frame, in their visits. at_s: on the clock of the frames, as the times
        given to `visits`. EngineBusy, EngineError, DatabaseError."""
        seen, left = self.recogniser.recognise(get_engine(), view, at_s, timings, load)
        self.visits.see(seen, left, at_s, came_at)
        return seen
