"""Ends the streams and cameras that stopped processes left open."""

from __future__ import annotations

import logging
import threading

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from recognition.cameras.services.cameras import cameras_free_lapsed
from recognition.cameras.services.hosts import hosts_up
from recognition.events.services.streams import streams_end_lapsed
from recognition.web.leases import Contact
from recognition.web.process import Part

logger = logging.getLogger(__name__)


class LeftBehind(Part):
    """Every process checks, and takes the row by its lease, so that only one process ends it."""

    def __init__(self) -> None:
        self._contact = Contact()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="left-behind", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.wait(settings.LEASE_S / 4):
            try:
                self._look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("what others left could not be ended: %s", error)
                self._contact.failed()
                connections.close_all()
            except Exception:
                logger.exception("what others left could not be ended")
                connections.close_all()
        connections.close_all()

    def _look(self) -> None:
        if self._contact.is_steady:
            if closed := streams_end_lapsed():
                logger.info("closed %d visits of a process that is gone", closed)
            if freed := cameras_free_lapsed():
                logger.info("freed %d cameras of a process that is gone", freed)
        else:
            hosts_up()  # any query tells whether the database answers
        self._contact.made()
