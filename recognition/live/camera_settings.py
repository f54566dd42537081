"""What running streams follow of their camera's row, for all streams of this process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from recognition.cameras.models import Camera
from recognition.live.areas import EVERYWHERE, Areas
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# The rows are read this often, by the first stream that asks, for all of them.
_REREAD_S = 2.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """model_id: of the collection's model that the camera is recognised with; None is the one in
    force."""

    areas: Areas = EVERYWHERE
    model_id: int | None = None


_DEFAULT = CameraSettings()


class SettingsInForce(Part):
    def __init__(self) -> None:
        self._settings: dict[UUID, CameraSettings] = {}
        self._read_s = float("-inf")
        # Held while rows are read, so that older ones never replace newer ones.
        self._lock = threading.Lock()

    def follow(self, camera: UUID) -> Callable[[], CameraSettings]:
        """For a stream that begins: its first call reads the row, later ones see `of`."""
        with self._lock:
            self._settings.pop(camera, None)
        return partial(self.of, camera)

    def of(self, camera: UUID) -> CameraSettings:
        """Not older than _REREAD_S; the last ones while the database is away. DatabaseError or
        InterfaceError if there are no last ones."""
        last = self._settings.get(camera)
        if last is None:
            return self._first(camera)
        if time.monotonic() - self._read_s >= _REREAD_S:
            self._reread()
        return self._settings.get(camera, last)

    def _first(self, camera: UUID) -> CameraSettings:
        with self._lock:
            if camera not in self._settings:
                self._read()
            return self._settings.setdefault(camera, _DEFAULT)

    def _reread(self) -> None:
        """Other streams go on with the last ones meanwhile."""
        self._read_s = time.monotonic()
        try:
            with self._lock:
                self._read()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the settings of cameras could not be read again: %s", error)
            connections.close_all()

    def _read(self) -> None:
        """A camera that is gone keeps its last settings, for the end of its stream."""
        self._read_s = time.monotonic()
        rows = Camera.objects.order_by().values_list("pk", "areas", "model_id")
        self._settings |= {
            pk: CameraSettings(Areas.of(areas), model_id) for pk, areas, model_id in rows
        }


def settings_followed(camera: UUID | None) -> Callable[[], CameraSettings]:
    """What a stream that begins asks for each frame. Everywhere, and the model in force, without a
    camera."""
    return process().part(SettingsInForce).follow(camera) if camera else lambda: _DEFAULT
