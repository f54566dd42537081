"""Previews between processes, by Redis publish/subscribe. The channel layer would keep the oldest
messages and drop the newest.

A process with viewers of a camera keeps a key of that camera and of a size alive; the process that
plays the camera checks these keys once a second, and publishes only while there is one. Both wait
in threads of their own, so that neither frames nor sockets wait for Redis. While Redis is away,
other processes show no previews; the connection comes back by itself.
"""

from __future__ import annotations

import json
import logging
import secrets
import struct
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from uuid import UUID

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

from recognition.live.messages import FacesMessage

logger = logging.getLogger(__name__)

# Previews are made in these sizes: the longer side in pixels. Sizes between them are rounded up, so
# that a viewer who changes the size of a window does not change the pictures all the time.
SIDES_PX = (240, 480, 960, 1920)
# Lifetime of the key of a watched camera; the key is renewed well before.
_WATCHED_S = 6
_RENEW_S = 2.0
_LOOK_EVERY_S = 1.0
# The key of a camera is no longer checked after this time without a frame.
_PLAYED_S = 10.0
# The subscriber waits this long for a picture, so a new viewer may wait as long.
_WAIT_S = 0.2
_AFTER_FAILURE_S = 1.0
_TIMEOUT_S = 5.0
_CONNECT_S = 2.0
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Preview:
    """A frame as a JPEG, and the `faces` message of the same frame."""

    jpeg: bytes
    faces: FacesMessage


def step_of(side_px: int) -> int:
    """The size in which a picture of this size is made: one of `SIDES_PX`; 0 stays 0."""
    return next((step for step in SIDES_PX if step >= side_px), SIDES_PX[-1]) if side_px else 0


def packed(preview: Preview, origin: str) -> bytes:
    head = json.dumps({"origin": origin, "faces": preview.faces}).encode()
    return _LENGTH.pack(len(head)) + head + preview.jpeg


def unpacked(message: bytes) -> tuple[Preview, str]:
    """The preview, and the exchange that sent it."""
    (length,) = _LENGTH.unpack_from(message)
    start = _LENGTH.size + length
    head = json.loads(message[_LENGTH.size : start])
    return Preview(message[start:], head["faces"]), head["origin"]


class _Worker:
    """A thread that starts with the first work, and reconnects after Redis was away."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_away = False

    def ensure_started(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._wake.set()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            redis = Redis.from_url(
                self._url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_CONNECT_S
            )
            try:
                self._work(redis)
            except (RedisError, OSError) as error:
                self._say(is_away=True, error=error)
            except Exception:
                logger.exception("previews between processes failed, and go on")
            finally:
                redis.close()
            self._stopped.wait(_AFTER_FAILURE_S)

    def _work(self, redis: Redis) -> None:
        """Run until stopped, or until Redis fails."""
        raise NotImplementedError

    def _say(self, *, is_away: bool, error: object = "") -> None:
        if is_away and not self._is_away:
            logger.warning("previews are not shown in other processes: %s", error)
        elif self._is_away and not is_away:
            logger.info("previews are shown in other processes again")
        self._is_away = is_away


class PreviewSender(_Worker):
    """For the process that plays cameras."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "previews-out")
        self.origin = secrets.token_hex(8)
        self._played_s: dict[UUID, float] = {}
        self._sides_px: dict[UUID, int] = {}
        self._newest: dict[UUID, Preview] = {}

    def side_wanted(self, camera: UUID) -> int:
        """The longer side in pixels that viewers in other processes want; 0 without viewers. To be
        called for each frame."""
        is_new = camera not in self._played_s
        self._played_s[camera] = time.monotonic()
        if is_new:
            self.ensure_started()
        return self._sides_px.get(camera, 0)

    def send(self, camera: UUID, preview: Preview) -> None:
        """Never waits; drops an older preview that was not sent yet."""
        with self._lock:
            self._newest[camera] = preview
        self._wake.set()

    def _work(self, redis: Redis) -> None:
        look_s = 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + _LOOK_EVERY_S
                self._sides_px = self._look(redis)
                self._say(is_away=False)
            with self._lock:
                newest, self._newest = self._newest, {}
            for camera, preview in newest.items():
                redis.publish(_channel(camera), packed(preview, self.origin))
            # Without cameras it sleeps until there is one.
            self._wake.wait(look_s - time.monotonic() if self._played_s else _PLAYED_S)
            self._wake.clear()

    def _look(self, redis: Redis) -> dict[UUID, int]:
        """The largest size that is wanted, by camera."""
        long_ago = time.monotonic() - _PLAYED_S
        for camera, played_s in list(self._played_s.items()):
            if played_s < long_ago:
                del self._played_s[camera]
        # Smallest size first: the largest one stays.
        asked = [(camera, side) for side in SIDES_PX for camera in self._played_s]
        if not asked:
            return {}
        found = redis.mget([_key(camera, side) for camera, side in asked])
        return {
            camera: side
            for (camera, side), value in zip(asked, found, strict=True)
            if value is not None
        }


class PreviewReceiver(_Worker):
    """For a process with viewers. `show` is called for each picture of another process."""

    def __init__(self, url: str, own_origin: str, show: Callable[[UUID, Preview], None]) -> None:
        super().__init__(url, "previews-in")
        self._own_origin = own_origin
        self._show = show
        self._wanted: dict[UUID, int] = {}

    def want(self, sides_px: dict[UUID, int]) -> None:
        """Set the cameras that are watched in this process, each with the size of its pictures:
        one of `SIDES_PX`."""
        self._wanted = sides_px
        if sides_px:
            self.ensure_started()

    def _work(self, redis: Redis) -> None:
        with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            self._listen(redis, pubsub)

    def _listen(self, redis: Redis, pubsub: PubSub) -> None:
        subscribed: dict[UUID, int] = {}
        renew_s = 0.0
        while not self._stopped.is_set():
            wanted = self._wanted
            if wanted != subscribed:
                _subscribe(pubsub, subscribed.keys(), wanted.keys())
                subscribed, renew_s = wanted, 0.0
            if not subscribed:
                self._wake.wait()
                self._wake.clear()
                continue
            if time.monotonic() >= renew_s:
                renew_s = time.monotonic() + _RENEW_S
                _renew(redis, subscribed)
                self._say(is_away=False)
            self._hear(pubsub)

    def _hear(self, pubsub: PubSub) -> None:
        message = pubsub.get_message(timeout=_WAIT_S)
        if message is None or message["type"] != "message":
            return
        preview, origin = unpacked(message["data"])
        # Viewers in the process that plays the camera have it already.
        if origin != self._own_origin:
            self._show(_camera_of(message["channel"]), preview)


def _subscribe(pubsub: PubSub, before: Set[UUID], after: Set[UUID]) -> None:
    if gone := before - after:
        pubsub.unsubscribe(*[_channel(camera) for camera in gone])
    if new := after - before:
        pubsub.subscribe(*[_channel(camera) for camera in new])


def _renew(redis: Redis, sides_px: dict[UUID, int]) -> None:
    with redis.pipeline(transaction=False) as pipeline:
        for camera, side_px in sides_px.items():
            pipeline.set(_key(camera, side_px), 1, ex=_WATCHED_S)
        pipeline.execute()


def _key(camera: UUID, side_px: int) -> str:
    return f"facerec:watched:{camera}:{side_px}"


def _channel(camera: UUID) -> str:
    return f"facerec:preview:{camera}"


def _camera_of(channel: bytes) -> UUID:
    return UUID(channel.decode().rpartition(":")[2])
