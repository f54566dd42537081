"""The cameras that the server plays itself, kept in step with their rows."""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections

from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_set_status
from recognition.live.player import CameraState, FilePlayer
from recognition.web.process import Part

logger = logging.getLogger(__name__)

POLL_S = 2.0
_STOP_S = 5.0
_OFF = CameraState(Camera.Status.OFF)


class CameraRunner(Part):
    """One thread reads the rows, starts and stops players, and writes how they are doing."""

    def __init__(self) -> None:
        self._players: dict[UUID, FilePlayer] = {}
        # What a player was started for: it is started anew when that changes.
        self._played: dict[UUID, tuple[object, ...]] = {}
        self._shown: dict[UUID, CameraState] = {}
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop all cameras; False where that took too long."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            self._guarded()
            self._wake.wait(POLL_S)
        self._stop_players(list(self._players))
        self._guarded()
        connections.close_all()

    def _guarded(self) -> None:
        """The cameras go on as they are while the database is away."""
        try:
            if not self._stopped.is_set():
                self._follow_rows()
            self._write_states()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("cameras could not be read: %s", error)
            connections.close_all()
        except Exception:
            logger.exception("cameras could not be brought up to date")
            connections.close_all()

    def _follow_rows(self) -> None:
        rows = Camera.objects.filter(kind=Camera.Kind.FILE).select_related("collection__embedder")
        cameras = {camera.pk: camera for camera in rows}
        wanted = {pk: _playing(camera) for pk, camera in cameras.items() if camera.is_enabled}
        self._stop_players([pk for pk, what in self._played.items() if wanted.get(pk) != what])
        for pk, what in wanted.items():
            if pk not in self._players:
                player = FilePlayer(cameras[pk], changed=self._wake.set)
                self._players[pk], self._played[pk] = player, what
                player.start()
        for pk, camera in cameras.items():
            # Also what an earlier process left in the row.
            self._shown[pk] = CameraState(Camera.Status(camera.status), camera.status_message)
        for pk in [pk for pk in self._shown if pk not in cameras]:
            del self._shown[pk]

    def _write_states(self) -> None:
        for pk, shown in self._shown.items():
            player = self._players.get(pk)
            state = player.state if player else _OFF
            if state != shown:
                camera_set_status(camera_id=pk, status=state.status, message=state.message)
                self._shown[pk] = state

    def _stop_players(self, pks: list[UUID]) -> None:
        players = [self._players.pop(pk) for pk in pks]
        for pk in pks:
            del self._played[pk]
        for player in players:
            player.stop()
        for player in players:
            if not player.join(_STOP_S):
                logger.warning("a camera took too long to stop")


def _playing(camera: Camera) -> tuple[object, ...]:
    return (
        camera.address,
        camera.max_fps,
        camera.min_face_px,
        camera.loops,
        camera.collection_id,
        camera.name,
    )
