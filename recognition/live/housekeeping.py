"""What is to be done now and then, in a thread of the serving process."""

from __future__ import annotations

import logging
import threading

from django.db import connections

from recognition.events.services.upkeep import upkeep
from recognition.web.process import Part

logger = logging.getLogger(__name__)

EVERY_S = 3600.0
_AFTER_FAILURE_S = 60.0


class Housekeeper(Part):
    """Runs `upkeep` at once and every hour, sooner where it failed."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """False where it is in the middle of something that takes longer: that does no harm."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            pause_s = EVERY_S if self._tidy() else _AFTER_FAILURE_S

    def _tidy(self) -> bool:
        try:
            done = {what: count for what, count in upkeep().items() if count}
            if done:
                logger.info("housekeeping tidied %s", done)
            return True
        except Exception:
            logger.exception("housekeeping failed, and is tried again")
            return False
        finally:
            connections.close_all()
