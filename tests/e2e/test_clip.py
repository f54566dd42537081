"""The clip of an event is played on its page; one that browsers do not play is made playable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from recognition.cameras.mp4 import mp4_of
from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site
from tests.recognition.clips import video_packets

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]


def _event(site: Site, api: Api, sample_photo: Photos, path: Path, codec: str) -> str:
    """The page of an event with a clip of four seconds."""
    person = api.enrol("Barack Obama", sample_photo("obama"))
    event = site.add_event(person["id"])
    path.write_bytes(mp4_of(video_packets(codec, size=(640, 360))).content)
    site.add_clip(event, path, codec)
    return f"/admin/events/event/{event}/change/"


def _assert_plays(page: Page) -> None:
    """From the beginning, and from another place."""
    video = page.locator("#event-clip")
    page.wait_for_function(
        "document.querySelector('#event-clip').readyState >= 2", timeout=PATIENCE_MS
    )
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


def test_clip_in_another_codec_plays_after_a_job(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    url = _event(site, api, sample_photo, tmp_path / "clip.mp4", "hevc")
    page = open_page(url)
    expect(page.locator("#event-clip")).to_have_count(0)
    page.get_by_role("button", name="Make it playable").click()
    expect(page.locator("body")).to_contain_text("being encoded", timeout=PATIENCE_MS)
    for _ in range(60):
        page.reload()
        if page.locator("#event-clip").count():
            break
        page.wait_for_timeout(500)
    _assert_plays(page)


def test_clip_of_an_event_is_downloaded(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    page = open_page(_event(site, api, sample_photo, tmp_path / "clip.mp4", "mjpeg"))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".mp4")
    assert download.value.path().read_bytes() == (tmp_path / "clip.mp4").read_bytes()
