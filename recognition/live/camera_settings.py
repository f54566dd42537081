"""What running streams follow of their camera's row, for all streams of this process."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
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

    def of(self, camera: UUID) -> CameraSettings:
        """Not older than _REREAD_S; the last ones while the database is away."""
        if time.monotonic() - self._read_s >= _REREAD_S:
            self._read_s = time.monotonic()
            self._read()
        return self._settings.get(camera, _DEFAULT)

    def _read(self) -> None:
        try:
            rows = Camera.objects.order_by().values_list("pk", "areas", "model_id")
            self._settings = {
                pk: CameraSettings(Areas.of(areas), model_id) for pk, areas, model_id in rows
            }
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the settings of cameras could not be read again: %s", error)
            connections.close_all()


def settings_of(camera: UUID | None) -> CameraSettings:
    """Everywhere, and the model in force, without a camera."""
    return process().part(SettingsInForce).of(camera) if camera is not None else _DEFAULT
