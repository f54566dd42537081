"""Viewers of cameras who come and go leave no thread, handle or connection behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil
import requests

from benchmarks.cameras.viewers import Viewers
from tests.facerec_site.site import PATIENCE_S, Served
from tests.recognition.cameras.network import rtsp_server, sent_pictures
from tests.recognition.cameras.sources.rtsp_peer import RtspServer

__all__ = ["rtsp_server", "sent_pictures"]

_MOUNTS = ("people", "h264", "mjpeg")
_AT_ONCE, _MOST_ROUNDS = 16, 6
_LIMITS = {"MAX_STREAMS": "100", "MAX_STREAMS_PER_CALLER": "100"}


def _add_cameras(site: Served, server: RtspServer) -> list[str]:
    headers = {"Authorization": f"Bearer {site.made['manage_key']}"}
    ids = []
    for mount in _MOUNTS:
        camera = {"name": mount, "kind": "rtsp", "address": server.url(mount), "max_fps": 5}
        answer = requests.post(
            f"{site.url}/api/v1/cameras", json=camera, headers=headers, timeout=PATIENCE_S
        )
        assert answer.ok, answer.text
        ids.append(answer.json()["id"])
    return ids


async def _previews(site: Served, camera: str) -> None:
    """Returns when the camera has sent a picture."""
    async with site.socket(f"/ws/cameras/{camera}/", key="key") as socket:
        while not isinstance(await asyncio.wait_for(socket.recv(), PATIENCE_S), bytes):
            pass


async def _left(process: psutil.Process) -> tuple[int, int]:
    """Threads and handles that stay: the fewest of some seconds, for work comes and goes."""
    counts = []
    for _ in range(30):
        counts.append((process.num_threads(), process.num_fds()))
        await asyncio.sleep(0.1)
    threads, handles = map(min, zip(*counts, strict=True))
    return threads, handles


async def test_viewers_who_come_and_go_leave_nothing_behind(
    start: Callable[..., Served], rtsp_server: RtspServer
) -> None:
    """A pool of threads grows until it is full, and then a round leaves nothing; a leak grows in
    each round."""
    site = start("--", "--port", "0", CAMERA_ALLOW_LOCAL="True", **_LIMITS)
    cameras = await asyncio.to_thread(_add_cameras, site, rtsp_server)
    await asyncio.gather(*(_previews(site, camera) for camera in cameras))
    viewers = Viewers(site.url, site.made["key"], cameras, stay_s=(0.1, 0.8), away_s=(0.0, 0.2))
    await viewers.come_and_go(2 * _AT_ONCE, times=1)
    process = psutil.Process(site.process.pid)
    counts = [await _left(process)]
    for _ in range(_MOST_ROUNDS):
        await viewers.come_and_go(_AT_ONCE, times=3)
        counts.append(await _left(process))
        if not _has_more(*counts[-2:]):
            break
    assert not _has_more(*counts[-2:]), counts
    assert viewers.comings.failed == 0
    assert viewers.comings.messages > viewers.comings.count
    # Nor is it an error that a client leaves while something is sent to it.
    assert not site.tracebacks, site.tracebacks


def _has_more(before: tuple[int, int], after: tuple[int, int]) -> bool:
    return any(now > then for then, now in zip(before, after, strict=True))
