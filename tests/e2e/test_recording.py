"""A video is dropped on a page of the admin, and its visits are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from playwright.sync_api import expect

from ml_engine.images import decode_image
from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.e2e.test_import import drop

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
PAGE = "/admin/events/recording/add/"


@pytest.fixture
def video(tmp_path: Path, sample_photo: Callable[[str], bytes]) -> Path:
    """Three seconds of a person."""
    path = tmp_path / "hall.mkv"
    picture = decode_image(sample_photo("obama2"))
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 8_000_000
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(picture[:height, :width].copy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_dropped_video_is_analysed_and_its_visits_are_shown(
    open_page: OpenPage, api: Api, video: Path, sample_photo: Callable[[str], bytes]
) -> None:
    api.enrol("Barack Obama", sample_photo("obama"))
    page = open_page(PAGE, timezone_id="Europe/Vienna")
    page.get_by_label("Time of the first frame").fill("2026-11-20T08:00:00")
    drop(page, video)
    page.wait_for_url("**/change/", timeout=PATIENCE_MS)
    expect(page.locator(".fr-job-state")).to_have_text("Done", timeout=PATIENCE_MS)
    expect(page.locator(".fr-report li")).to_have_count(1)
    expect(page.locator(".fr-report")).to_contain_text("Barack Obama")
    (event,) = api.rows("events")
    assert event["started_at"].startswith("2026-11-20T07:00:0")


def test_video_is_not_sent_without_its_time(open_page: OpenPage, api: Api, video: Path) -> None:
    before = api.rows("recordings")
    page = open_page(PAGE)
    drop(page, video)
    page.wait_for_timeout(500)
    assert api.rows("recordings") == before
