"""The relay: finds receivers that have something due, and sends to several of them in parallel.

Any number of processes may run a relay. A receiver belongs to the process that holds its lease, so
it gets one message at a time. A receiver that hangs does not delay the others.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Exists, OuterRef

from recognition.notices.courier import serve_receiver
from recognition.notices.models import Delivery, Receiver
from recognition.web.leases import DatabaseTime, free_or_lapsed
from recognition.web.process import Part

logger = logging.getLogger(__name__)

POLL_S = 0.5
# Number of receivers served at once, by whether their last attempt failed (True). Failing receivers
# have their own slots, so that they cannot block the healthy ones, even if all of them hang.
SLOTS = {False: 12, True: 8}
_AFTER_FAILURE_S = 5.0


class Relay(Part):
    """Runs in processes with the role `jobs`."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._couriers = ThreadPoolExecutor(sum(SLOTS.values()), thread_name_prefix="courier")
        self._lock = threading.Lock()
        self._busy: dict[int, bool] = {}  # receiver: whether it failed the last time

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Waits until running attempts are recorded. Messages that are due are left to other
        processes."""
        self._stopped.set()
        if not self._thread.is_alive():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            try:
                self._hand_out()
                pause_s = POLL_S
            except (DatabaseError, InterfaceError) as error:
                logger.warning("notices wait: the database does not answer: %s", error)
                connections.close_all()
                pause_s = _AFTER_FAILURE_S
            except Exception:
                logger.exception("the relay failed, and goes on")
                pause_s = _AFTER_FAILURE_S
        connections.close_all()
        self._couriers.shutdown()

    def _hand_out(self) -> None:
        if not Receiver.objects.exists():
            return  # most sites have none, and this is cheaper than asking what is due
        with self._lock:
            busy = dict(self._busy)
        for is_failing, slots in SLOTS.items():
            room = slots - list(busy.values()).count(is_failing)
            for pk in due_receivers(room, is_failing=is_failing, without=list(busy)):
                with self._lock:
                    self._busy[pk] = is_failing
                self._couriers.submit(self._serve, pk)

    def _serve(self, pk: int) -> None:
        try:
            serve_receiver(pk, self._stopped)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("a receiver waits: the database does not answer: %s", error)
        except Exception:
            logger.exception("a receiver could not be served")
        finally:
            connections.close_all()
            with self._lock:
                del self._busy[pk]


def due_receivers(most: int, *, is_failing: bool, without: list[int]) -> list[int]:
    """Primary keys of at most `most` receivers that have something due and that no process holds,
    longest due first. is_failing: whether to return those whose last attempt failed, or the
    others."""
    if most <= 0:
        return []
    now = DatabaseTime()
    due = Delivery.objects.filter(
        receiver=OuterRef("pk"), state=Delivery.State.PENDING, next_at__lte=now
    )
    rows = Receiver.objects.filter(Exists(due), next_at__lte=now)
    rows = rows.filter(failures__gt=0) if is_failing else rows.filter(failures=0)
    found = free_or_lapsed(rows).exclude(pk__in=without).order_by("next_at")
    return list(found.values_list("pk", flat=True)[:most])
