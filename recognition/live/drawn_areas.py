"""The areas of cameras that are in force, for all streams of this process."""

from __future__ import annotations

import logging
import time
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from recognition.cameras.models import Camera
from recognition.live.areas import EVERYWHERE, Areas
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# The rows are read this often, by the first stream that asks, for all of them.
_REREAD_S = 2.0


class DrawnAreas(Part):
    def __init__(self) -> None:
        self._areas: dict[UUID, Areas] = {}
        self._read_s = float("-inf")

    def of(self, camera: UUID) -> Areas:
        """Not older than _REREAD_S; the last ones while the database is away."""
        if time.monotonic() - self._read_s >= _REREAD_S:
            self._read_s = time.monotonic()
            self._read()
        return self._areas.get(camera, EVERYWHERE)

    def _read(self) -> None:
        try:
            rows = Camera.objects.order_by().values_list("pk", "areas")
            self._areas = {pk: Areas.of(areas) for pk, areas in rows}
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the areas of cameras could not be read again: %s", error)
            connections.close_all()


def areas_of(camera: UUID | None) -> Areas:
    """Everywhere without a camera."""
    return process().part(DrawnAreas).of(camera) if camera is not None else EVERYWHERE
