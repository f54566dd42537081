"""Reads notices that any process commits, and passes them to the sinks of this process."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connections

from recognition.notices.models import Notice
from recognition.notices.sinks import following_sinks
from recognition.web.process import Part

logger = logging.getLogger(__name__)

# Short enough for a page to show a change made in another process within a second.
POLL_S = 0.3
_AFTER_FAILURE_S = 2.0
_MOST_AT_ONCE = 500
# A missing id belongs to a transaction that is not committed yet or never will be. The reader waits
# for it for this time, and until this many notices came after it.
_GAP_S = 60.0
_MOST_BEYOND = 5000


class NoticeReader:
    """Reads each notice once, in the order of commits. A row gets its id before the commit, so a
    notice with a smaller id can appear later."""

    def __init__(self) -> None:
        self._up_to: int | None = None
        # Ids that were read although a smaller id is still missing.
        self._beyond: set[int] = set()
        self._gap_after = -1
        self._gap_since_s = 0.0

    def read(self) -> list[Notice]:
        """The new notices. The first call returns none: it only finds the end of the table."""
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
        """The last id up to which no id is missing, or the missing ones are given up."""
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
                logger.warning("pages get no notices: the database does not answer: %s", error)
                connections.close_all()
                pause_s = _AFTER_FAILURE_S
            except Exception:
                logger.exception("the follower failed, and goes on")
                pause_s = _AFTER_FAILURE_S
        connections.close_all()


def tell(notices: list[Notice]) -> None:
    """Pass notices to all sinks. A sink that fails does not stop the others. If the database does
    not answer, the caller repeats all of them later."""
    for sink in following_sinks():
        try:
            sink.tell(notices)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("%s failed", type(sink).__name__)
