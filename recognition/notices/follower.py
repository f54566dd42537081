"""Notices as they are committed, by whatever process: for the sinks of this one."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connections

from recognition.notices.models import Notice
from recognition.notices.sinks import following_sinks
from recognition.web.process import Part

logger = logging.getLogger(__name__)

# A page hears of a change in another process within a second.
POLL_S = 0.3
_AFTER_FAILURE_S = 2.0
_MOST_AT_ONCE = 500
# An id that is missing belongs to a transaction that is not committed yet, or never will be: it is
# waited for so long, and while no more than this came after it.
_GAP_S = 60.0
_MOST_BEYOND = 5000


class NoticeReader:
    """Reads each notice once, in the order of commits. Ids are given before the commit: one with a
    smaller id can come later."""

    def __init__(self) -> None:
        self._up_to: int | None = None
        # Read already, though an id before them is missing.
        self._beyond: set[int] = set()
        self._gap_after = -1
        self._gap_since_s = 0.0

    def read(self) -> list[Notice]:
        """What is new; nothing at the first call, which only sees where the table ends."""
        if self._up_to is None:
            newest = Notice.objects.order_by("pk").last()
            self._up_to = newest.pk if newest else 0
            return []
        rows = Notice.objects.filter(pk__gt=self._up_to).exclude(pk__in=self._beyond)
        found = list(rows.order_by("pk")[:_MOST_AT_ONCE])
        self._beyond.update(notice.pk for notice in found)
        self._up_to = self._advanced(self._up_to)
        return found

    def _advanced(self, up_to: int) -> int:
        """Up to where nothing is missing, or not waited for any more."""
        while self._beyond:
            if up_to + 1 not in self._beyond:
                if not self._is_given_up(up_to):
                    break
                up_to = min(self._beyond) - 1
            up_to += 1
            self._beyond.remove(up_to)
        return up_to

    def _is_given_up(self, gap_after: int) -> bool:
        now_s = time.monotonic()
        if gap_after != self._gap_after:
            self._gap_after, self._gap_since_s = gap_after, now_s
        return now_s - self._gap_since_s > _GAP_S or len(self._beyond) > _MOST_BEYOND


class Follower(Part):
    """Runs in processes with the role `web`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        reader = NoticeReader()
        untold: list[Notice] = []
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            try:
                untold += reader.read()
                if untold:
                    tell(untold)
                untold = []
                pause_s = POLL_S
            except (DatabaseError, InterfaceError) as error:
                logger.warning("pages hear nothing: the database does not answer: %s", error)
                connections.close_all()
                pause_s = _AFTER_FAILURE_S
            except Exception:
                logger.exception("the follower failed, and goes on")
                pause_s = _AFTER_FAILURE_S
        connections.close_all()


def tell(notices: list[Notice]) -> None:
    """A sink that fails does not keep the others. If the database does not answer, all of them are
    told again later."""
    for sink in following_sinks():
        try:
            sink.tell(notices)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("%s failed", type(sink).__name__)
