"""Previews of a camera that another process plays, through a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from recognition.live.preview_exchange import Preview, packed, unpacked
from recognition.live.previews import Previews, Viewer
from tools.private_redis import RedisServer
from tools.system import find_program

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(
        find_program("redis-server", "valkey-server") is None, reason="Redis is not installed"
    ),
]
CAMERA = uuid4()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def process_of(redis: RedisServer, settings: Any) -> AsyncIterator[Callable[[], Previews]]:
    """The previews of one more process."""
    settings.REDIS_URL = redis.url
    made: list[Previews] = []

    def make() -> Previews:
        made.append(Previews())
        return made[-1]

    yield make
    for previews in made:
        assert await asyncio.to_thread(previews.stop, 10)


class Camera:
    """Plays 50 frames a second in a process; `made`: how many pictures were made, `side_px`: the
    size of the last one."""

    def __init__(self, previews: Previews) -> None:
        self.made = 0
        self.side_px = 0
        self.number = 0
        self._previews = previews
        self._playing = asyncio.create_task(self._play())

    async def stop(self) -> None:
        self._playing.cancel()

    async def _play(self) -> None:
        while True:
            self._previews.show(CAMERA, self._make)
            self.number += 1
            await asyncio.sleep(0.02)

    def _make(self, side_px: int) -> Preview:
        self.made += 1
        self.side_px = side_px
        return Preview(f"jpeg {self.number}".encode(), {"frame": self.number})  # type: ignore[typeddict-item]


@pytest.fixture
async def camera(process_of: Callable[[], Previews]) -> AsyncIterator[Camera]:
    playing = Camera(process_of())
    yield playing
    await playing.stop()


def _watch(previews: Previews, camera: UUID = CAMERA) -> Viewer:
    viewer = Viewer(asyncio.get_running_loop())
    previews.watch(camera, viewer)
    return viewer


async def _until(is_so: Callable[[], bool], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.02)


async def test_viewers_of_two_processes_see_one_camera(
    camera: Camera, process_of: Callable[[], Previews]
) -> None:
    viewers = [_watch(process_of()), _watch(process_of())]
    for viewer in viewers:
        preview = await viewer.next(15)
        assert preview is not None
        assert preview.jpeg == f"jpeg {preview.faces['frame']}".encode()


async def test_no_preview_is_made_without_viewers(
    camera: Camera, process_of: Callable[[], Previews], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recognition.live.preview_exchange._WATCHED_S", 3)
    await asyncio.sleep(1.5)
    assert camera.number > 10
    assert camera.made == 0
    elsewhere = process_of()
    viewer = _watch(elsewhere)
    other = _watch(elsewhere, uuid4())
    assert await viewer.next(15) is not None
    assert await other.next(0.2) is None, "of another camera"
    elsewhere.leave(CAMERA, viewer)
    # The key outlives the viewer by its own time.
    await asyncio.sleep(4.5)
    made = camera.made
    await asyncio.sleep(0.5)
    assert camera.made == made


async def test_pictures_have_the_largest_size_that_a_viewer_of_any_process_wants(
    camera: Camera, process_of: Callable[[], Previews], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recognition.live.preview_exchange._WATCHED_S", 3)
    first, second = process_of(), process_of()
    small, large = _watch(first), _watch(second)
    first.resize(CAMERA, small, 200)
    second.resize(CAMERA, large, 700)
    await _until(lambda: camera.side_px == 960)
    second.resize(CAMERA, large, 0)
    await _until(lambda: camera.side_px == 240)
    first.resize(CAMERA, small, 9999)
    await _until(lambda: camera.side_px == 1920)


async def test_slow_viewer_of_another_process_sees_the_newest_picture(
    camera: Camera, process_of: Callable[[], Previews]
) -> None:
    viewer = _watch(process_of())
    assert await viewer.next(15) is not None
    await asyncio.sleep(1.0)
    preview = await viewer.next(15)
    assert preview is not None
    assert preview.faces["frame"] > camera.number - 25


async def test_picture_is_not_shown_twice_in_the_process_that_plays(
    process_of: Callable[[], Previews],
) -> None:
    here, elsewhere = process_of(), process_of()
    _watch(elsewhere)
    viewer = _watch(here)
    camera = Camera(here)
    await _until(lambda: here._sender is not None and here._sender.side_wanted(CAMERA) > 0)
    await camera.stop()
    await asyncio.sleep(0.5)
    await viewer.next(1)
    here.show(CAMERA, lambda side_px: Preview(b"last", {}))  # type: ignore[typeddict-item]
    preview = await viewer.next(1)
    assert preview is not None and preview.jpeg == b"last"
    assert await viewer.next(1.0) is None


async def test_redis_that_goes_and_comes_back_is_used_again(
    camera: Camera, process_of: Callable[[], Previews], redis: RedisServer
) -> None:
    viewer = _watch(process_of())
    assert await viewer.next(15) is not None
    redis.kill()
    await asyncio.sleep(1.5)
    await viewer.next(0.1)
    assert await viewer.next(0.5) is None
    number = camera.number
    await asyncio.sleep(0.5)
    assert camera.number > number, "frames do not wait for Redis"
    await asyncio.to_thread(redis.start)
    preview = await viewer.next(20)
    assert preview is not None


def test_preview_is_packed_with_its_faces_and_its_sender() -> None:
    preview = Preview(b"\xff\xd8 any bytes \x00", {"type": "faces", "faces": [{"name": "Zoë"}]})  # type: ignore[typeddict-item]
    assert unpacked(packed(preview, "me")) == (preview, "me")
