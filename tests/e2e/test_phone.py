"""The pages on the width of a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import PATIENCE_MS, PHONE, expect_present, overflow_px, start_camera, visits
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.e2e.webcam import write_webcam

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]
TOUCH = {"window": PHONE, "is_mobile": True, "has_touch": True}


def test_live_page_fits_on_a_phone(
    open_page: OpenPage, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    api.enrol("Barack Obama", sample_photo("obama"))
    webcam = write_webcam(tmp_path / "both.mjpeg", [sample_photo("obama2"), sample_photo("biden")])
    page = open_page("/live/", webcam=webcam, **TOUCH)
    assert overflow_px(page) == 0
    start_camera(page)
    expect_present(page, "Barack Obama")
    expect(visits(page)).to_have_count(2, timeout=PATIENCE_MS)
    assert overflow_px(page) == 0
    # Camera on top, visits below, the button within reach of a thumb.
    view, feed, run = (page.locator(name).bounding_box() for name in ("#view", "#feed", "#run"))
    assert view is not None and feed is not None and run is not None
    assert view["y"] + view["height"] <= feed["y"]
    assert PHONE[1] - 120 < run["y"] < PHONE[1] - run["height"] + 1
    assert run["height"] >= 44
    visits(page, "Unknown").get_by_role("button", name="Enrol").tap()
    dialog = page.get_by_role("dialog").bounding_box()
    assert dialog is not None
    assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= PHONE[0]


def test_try_page_fits_on_a_phone(open_page: OpenPage, sample_photo: Photos) -> None:
    page = open_page("/try/", **TOUCH)
    assert overflow_px(page) == 0
    photos = [
        {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": sample_photo(name)}
        for name in ("obama", "biden")
    ]
    page.locator("#files").set_input_files(photos[:1])  # type: ignore[arg-type]
    expect(page.locator(".face-card")).to_be_visible(timeout=PATIENCE_MS)
    assert overflow_px(page) == 0
    page.locator("#files").set_input_files(photos)  # type: ignore[arg-type]
    expect(page.locator(".verdict")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("The answer as JSON").tap()
    assert overflow_px(page) == 0


@pytest.mark.parametrize("path", ["/accounts/login/", "/nothing/here"])
def test_pages_before_sign_in_fit_on_a_phone(open_page: OpenPage, path: str) -> None:
    page = open_page(path, user=None, **TOUCH)
    assert overflow_px(page) == 0


def test_account_menu_opens_by_touch_on_a_phone(open_page: OpenPage) -> None:
    page = open_page("/try/", **TOUCH)
    page.get_by_role("button", name="admin: account, theme and help").tap()
    expect(page.get_by_role("link", name="Admin", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").tap()
    page.wait_for_url("**/accounts/login/")
