"""Everything that runs beside the pages of a serving process: started and drained in order."""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from recognition.cameras.services.cameras import cameras_set_off
from recognition.engine import start_engine, stop_engine
from recognition.events.services.events import events_close_stale
from recognition.jobs.worker import Worker
from recognition.live.cameras import CameraRunner
from recognition.live.session import stop_sessions
from recognition.live.writer import visit_writer
from recognition.notices.follower import Follower
from recognition.notices.relay import Relay
from recognition.web.process import process

logger = logging.getLogger(__name__)

# Kept back from cameras that do not stop: for the sessions and for what waits to be written.
_VISITS_S = 6.0


class Background:
    """Engine, cameras, jobs, and what streams leave to be written."""

    def __init__(self) -> None:
        self._cameras = CameraRunner() if settings.RUN_CAMERAS else None

    def start(self) -> None:
        try:
            # Before anybody opens new ones.
            if closed := events_close_stale():
                logger.info("closed %d visits that were left open", closed)
            cameras_set_off()
        except (DatabaseError, InterfaceError):
            logger.exception("what an earlier process left open could not be closed")
        start_engine()
        for part in (Follower, Relay, Worker):
            process().part(part).start()
        if self._cameras is not None:
            self._cameras.start()

    def stop(self, timeout_s: float) -> bool:
        """Frames stop, visits become events, the engine finishes; False where time ran out."""
        deadline = time.monotonic() + timeout_s

        def left() -> float:
            return max(0.1, deadline - time.monotonic())

        kept_s = min(_VISITS_S, timeout_s / 2)
        is_done = self._cameras is None or self._cameras.stop(left() - kept_s)
        # Sessions of cameras that did not stop are ended here; the writer has the other half.
        is_done &= stop_sessions(max(0.1, left() - kept_s / 2))
        is_done &= visit_writer().stop(left())
        # A job that does not stop in time is begun again, here or elsewhere.
        process().stop(min(2.0, left()))
        stop_engine()
        return is_done
