"""The clip of an event is played on its page; one that browsers do not play is made playable.

SCREENSHOTS names a folder in which pictures of the page are kept, for people to look at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Page, expect

from recognition.cameras.mp4 import mp4_of
from tests.e2e.browsing import PATIENCE_MS, overflow_px
from tests.e2e.conftest import OpenPage
from tests.e2e.doors import empty_room
from tests.e2e.site import Api, Site
from tests.e2e.test_looks import LOOKS, WINDOWS
from tests.e2e.webcam import FPS, write_video
from tests.recognition.cameras.sources.rtsp_peer import RtspServer
from tests.recognition.clips import video_packets
from tools.system import RTSP_SERVER

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]


def _event(site: Site, api: Api, sample_photo: Photos, path: Path, codec: str) -> str:
    """The page of an event with a clip of four seconds."""
    person = api.enrol("Barack Obama", sample_photo("obama"))
    event = site.hand.make("event", person=person["id"])
    path.write_bytes(mp4_of(video_packets(codec, size=(640, 360))).content)
    site.hand.make("clip", event=event, path=str(path), codec=codec)
    return f"/admin/events/event/{event}/change/"


@pytest.fixture
def front_door(tmp_path: Path, sample_photo: Photos) -> Iterator[RtspServer]:
    """An RTSP camera with the mount `door.mkv`: an empty room, and somebody who comes in."""
    if not RTSP_SERVER[0].is_there():
        pytest.skip("no RTSP server: `python3 -m tools.prepare test` installs GStreamer's")
    _write_arrival(tmp_path / "door.mkv", write_video(tmp_path / "v.mp4", sample_photo("obama3")))
    server = RtspServer(tmp_path)
    server.start()
    yield server
    server.stop()


def _write_arrival(path: Path, video: Path) -> None:
    """H.264: four seconds of an empty room, then the video four times."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS)}
        stream: Any = container.add_stream("libx264", rate=FPS, options=options)
        room = empty_room()
        stream.height, stream.width = room.shape[:2]
        stream.pix_fmt = "yuv420p"
        with av.open(str(video)) as source:
            arrival = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
        for number, picture in enumerate([room] * 4 * FPS + arrival * 4):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_visit_to_a_network_camera_has_a_clip_that_plays(
    open_page: OpenPage,
    api: Api,
    front_door: RtspServer,
    sample_photo: Photos,
    tmp_path: Path,
) -> None:
    api.enrol("Barack Obama", sample_photo("obama"))
    address = front_door.url("door.mkv")
    values = {"name": "Front door", "kind": "rtsp", "address": address, "max_fps": 5}
    api.post("cameras", json={**values, "clip_before_s": 3, "clip_after_s": 4})
    event = _with_clip(api)
    assert event["person"]["name"] == "Barack Obama"
    assert event["clip"]["codec"] == "h264"
    assert 5 < event["clip"]["seconds"] < 10
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    for device, theme in LOOKS:
        path = f"/admin/events/event/{event['id']}/change/"
        page = open_page(path, color_scheme=theme, **WINDOWS[device])
        _await_video(page)
        # Near the end of the clip, when somebody has come in.
        page.locator("#event-clip").evaluate("video => { video.currentTime = 6; }")
        page.wait_for_function(
            "(({ seeking, readyState }) => !seeking && readyState >= 3)"
            "(document.querySelector('#event-clip'))",
            timeout=PATIENCE_MS,
        )
        page.locator("#event-clip").evaluate("video => video.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(500)  # the controls fade out
        page.screenshot(path=folder / f"clip-{device}-{theme}.png")
        assert overflow_px(page) == 0


def _with_clip(api: Api) -> dict[str, Any]:
    """The event of the camera, once its clip is stored."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        for event in api.rows("events"):
            if event["clip"] and event["clip"]["state"] == "ready":
                return event
        time.sleep(0.5)
    raise AssertionError(f"no clip: {api.rows('events')}, {api.rows('cameras')}")


def _await_video(page: Page) -> None:
    page.wait_for_function(
        "document.querySelector('#event-clip').readyState >= 2", timeout=PATIENCE_MS
    )


def _assert_plays(page: Page) -> None:
    """From the beginning, and from another place."""
    video = page.locator("#event-clip")
    _await_video(page)
    assert video.evaluate("video => Math.abs(video.duration - 4) < 0.2")
    assert video.evaluate("video => video.videoWidth") == 640
    video.evaluate("video => video.play()")
    page.wait_for_function(
        "document.querySelector('#event-clip').currentTime > 0.3", timeout=PATIENCE_MS
    )
    video.evaluate("video => { video.pause(); video.currentTime = 3; }")
    page.wait_for_function(
        "(({ seeking, currentTime, readyState }) => !seeking && currentTime === 3 && "
        "readyState >= 2)(document.querySelector('#event-clip'))",
        timeout=PATIENCE_MS,
    )
    assert video.evaluate("video => video.error") is None


def test_clip_in_h264_plays_and_seeks(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    url = _event(site, api, sample_photo, tmp_path / "clip.mp4", "h264")
    _assert_plays(open_page(url))
    phone = open_page(url, window=(390, 844))
    width = phone.locator("#event-clip").evaluate("video => video.getBoundingClientRect().width")
    assert 200 < width <= 390


def test_clip_in_another_codec_plays_by_itself_after_a_job(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    url = _event(site, api, sample_photo, tmp_path / "clip.mp4", "hevc")
    page = open_page(url)
    expect(page.locator("#event-clip")).to_have_count(0)
    page.get_by_role("button", name="Make it playable").click()
    expect(page.locator("body")).to_contain_text("being encoded", timeout=PATIENCE_MS)
    expect(page.locator("#event-clip")).to_have_count(1, timeout=PATIENCE_MS)  # without a reload
    _assert_plays(page)


def test_clip_of_an_event_is_downloaded(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    page = open_page(_event(site, api, sample_photo, tmp_path / "clip.mp4", "mjpeg"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".mp4")
    assert download.value.path().read_bytes() == (tmp_path / "clip.mp4").read_bytes()
