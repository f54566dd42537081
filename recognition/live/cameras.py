"""The cameras that this process plays: its share of all, and those of its hubs, each as long as the
process holds the lease."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from recognition.cameras.models import Camera, Stream
from recognition.cameras.services.cameras import camera_give_back, camera_show
from recognition.cameras.services.hosts import host_gone, host_seen, hosts_up, share_of
from recognition.cameras.sources import has_hub, played_kinds
from recognition.engine import engine_state, get_engine, start_engine
from recognition.events.services.streams import streams_end_lapsed
from recognition.live.hubs import HeldHubs
from recognition.live.player import CameraPlayer, CameraState
from recognition.web.encrypted import SecretUnreadable
from recognition.web.errors import ServiceError
from recognition.web.leases import (
    Contact,
    DatabaseTime,
    KeptLease,
    LeaseKeeper,
    free_or_lapsed,
    take,
)
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

POLL_S = 2.0
# Part of the time to stop, for hubs and writes after the last camera has stopped.
_AFTERWARDS_S = 2.5
_STOP_S = 5.0

# Cameras that are shared out together: those of a node, or of a hub there. Node, and kind of hub.
_Group = tuple[str, str]


@dataclass(slots=True)
class _Played:
    """signature: the values that the player was started with; the player restarts if they change.
    shown: the state in the row."""

    player: CameraPlayer
    kept: KeptLease
    signature: tuple[object, ...]
    shown: CameraState | None = None


class CameraRunner(Part):
    """One thread that takes cameras, starts and stops players, and writes their state."""

    def __init__(self) -> None:
        self._played: dict[UUID, _Played] = {}
        self._contact = Contact()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._hubs = HeldHubs(self._wake.set)
        self._stop_by_s = 0.0
        self._seen_s = -math.inf  # when this process was last written as one that plays
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop all cameras and release them; False if that took too long."""
        self._stop_by_s = time.monotonic() + timeout_s - _AFTERWARDS_S
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            self._guarded()
            self._wake.wait(min(POLL_S, settings.LEASE_S / 4))
        self._leave()
        connections.close_all()

    def _guarded(self) -> None:
        """Keep the cameras as they are while the database is away."""
        try:
            self._follow_rows()
            self._write_states()
            self._contact.made()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("cameras could not be read: %s", error)
            self._contact.failed()
            connections.close_all()
        except Exception:
            logger.exception("cameras could not be brought up to date")
            connections.close_all()

    def _follow_rows(self) -> None:
        rows = Camera.objects.filter(kind__in=played_kinds(), is_enabled=True)
        cameras = {camera.pk: camera for camera in rows.select_related("collection__embedder")}
        shares = self._shares(list(cameras.values()))
        self._stop_what_is_not_ours(cameras, shares)
        self._play_again(cameras)
        for group, share in shares.items():
            self._take([c for c in cameras.values() if _group(c) == group], share)

    def _shares(self, cameras: list[Camera]) -> dict[_Group, int]:
        """The number of cameras to play, by group: all of a hub that this process holds. A process
        whose engine is not ready leaves them to others, if there are any."""
        if not _engine_is_ready():
            host_gone(process())
            self._seen_s = -math.inf
        elif time.monotonic() - self._seen_s >= settings.LEASE_S / 4:
            host_seen(process())
            self._seen_s = time.monotonic()
        hosts, node = hosts_up(), process().node
        spread = share_of(process(), hosts, [c for c in cameras if not has_hub(c.kind)])
        shares = {(node, ""): share for node, share in spread.items()}
        is_able = process().id in hosts or node not in hosts.values()
        wanted = {c.kind for c in cameras if has_hub(c.kind) and c.node == node and is_able}
        held = self._hubs.follow(wanted, may_be_lapsed=self._contact.is_steady)
        return shares | {(node, kind): len(cameras) for kind in held}

    def _stop_what_is_not_ours(
        self, cameras: dict[UUID, Camera], shares: dict[_Group, int]
    ) -> None:
        """Stop cameras that are lost, disabled, deleted, of another node or hub, or above this
        process's share."""
        left = dict(shares)
        over = []
        for pk, played in self._played.items():
            camera = cameras.get(pk)
            group = _group(camera) if camera is not None else None
            is_over = played.kept.is_lost or played.player.is_stopped
            if is_over or group is None or left.get(group, 0) <= 0:
                over.append(pk)
            else:
                left[group] -= 1
        self._stop_and_give_back(over, time.monotonic() + _STOP_S)

    def _play_again(self, cameras: dict[UUID, Camera]) -> None:
        """Restart cameras whose rows changed."""
        for pk, played in self._played.items():
            if played.signature != _signature(cameras[pk]):
                played.player.stop()
                _join(played, time.monotonic() + _STOP_S)
                self._play(cameras[pk], played.kept)

    def _take(self, cameras: list[Camera], share: int) -> None:
        """Take cameras until this process plays `share` of them. Other processes may do the same
        now."""
        room = share - sum(camera.pk in self._played for camera in cameras)
        others = [camera for camera in cameras if camera.pk not in self._played]
        if room <= 0 or not others:
            return
        free = self._free_of(others)
        random.shuffle(free)
        for camera in free:
            if room > 0 and self._take_one(camera):
                room -= 1

    def _free_of(self, cameras: list[Camera]) -> list[Camera]:
        """Cameras that no process plays and whose last visits are closed."""
        rows = free_or_lapsed(Camera.objects.filter(pk__in=[camera.pk for camera in cameras]))
        if self._contact.is_steady:
            streams_end_lapsed()
        else:
            # After an outage of the database, a lapsed lease may belong to a live process.
            rows = rows.filter(owner="")
        free = set(rows.values_list("pk", flat=True))
        streams = Stream.objects.filter(camera__in=free, ended_at=None)
        free -= set(streams.values_list("camera", flat=True))
        return [camera for camera in cameras if camera.pk in free]

    def _take_one(self, camera: Camera) -> bool:
        row = Camera.objects.filter(pk=camera.pk)
        starting = {
            "status": Camera.Status.STARTING,
            "status_message": "",
            "status_since": DatabaseTime(),
        }
        lease = take(row, owner=process().id, **starting)
        if lease is None:
            return False
        kept = process().part(LeaseKeeper).keep(row, lease, lambda: self._lose(camera.pk))
        self._play(camera, kept)
        return True

    def _play(self, camera: Camera, kept: KeptLease) -> None:
        player = CameraPlayer(camera, changed=self._wake.set)
        self._played[camera.pk] = _Played(player, kept, _signature(camera))
        player.start()

    def _lose(self, pk: UUID) -> None:
        """Called in the keeper's thread: another process plays the camera, or it is deleted."""
        if (played := self._played.get(pk)) is not None:
            played.player.stop()
        self._wake.set()

    def _write_states(self) -> None:
        for pk, played in self._played.items():
            state, lease = played.player.state, played.kept.lease
            if state == played.shown:
                continue
            if camera_show(camera_id=pk, lease=lease, status=state.status, message=state.message):
                played.shown = state
            else:
                played.player.stop()

    def _leave(self) -> None:
        """Stop all players. If the database is away, the leases lapse."""
        for played in self._played.values():
            played.player.stop()
        try:
            host_gone(process())
            self._stop_and_give_back(list(self._played), self._stop_by_s)
            self._hubs.close()
            self._hubs.give_back()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("cameras were not given back: %s", error)
            for played in self._played.values():
                _join(played, self._stop_by_s)
            self._hubs.close()

    def _stop_and_give_back(self, pks: list[UUID], deadline_s: float) -> None:
        over = {pk: self._played[pk] for pk in pks}
        for played in over.values():
            played.player.stop()
        for pk, played in over.items():
            _join(played, deadline_s)
            # If the database is away, the next round releases it.
            camera_give_back(camera_id=pk, lease=played.kept.lease)
            played.kept.drop()
            del self._played[pk]


def _join(played: _Played, deadline_s: float) -> None:
    if not played.player.join(max(0.1, deadline_s - time.monotonic())):
        logger.warning("a camera took too long to stop")


def _engine_is_ready() -> bool:
    state = engine_state()["state"]
    if state == "off":
        start_engine()
    elif state == "failed":
        with suppress(ServiceError):
            get_engine()  # builds it again if the last attempt was a while ago
    return state == "ready"


def _group(camera: Camera) -> _Group:
    return camera.node, camera.kind if has_hub(camera.kind) else ""


def _signature(camera: Camera) -> tuple[object, ...]:
    return (
        camera.kind,
        camera.address,
        camera.answers,
        _login(camera),
        camera.max_fps,
        camera.min_face_px,
        camera.loops,
        camera.clip_before_s,
        camera.clip_after_s,
        camera.collection_id,
        camera.name,
    )


def _login(camera: Camera) -> tuple[str, str] | None:
    """As it is, and not as it is encrypted: new keys restart no camera. None if it cannot be
    read."""
    try:
        return camera.username.reveal(), camera.password.reveal()
    except SecretUnreadable:
        return None
