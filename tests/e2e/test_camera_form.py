"""A camera is tried out in the admin before it is saved."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.recognition.cameras.network import http_camera, http_content, sent_pictures
from tests.recognition.cameras.sources.http_peer import PASSWORD, USER, HttpPeer
from tests.recognition.cameras.sources.rtsp_peer import SIZE

__all__ = ["http_camera", "http_content", "sent_pictures"]
pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]


def test_form_of_a_camera_shows_its_picture_or_the_reason(
    open_page: OpenPage, api: Api, http_camera: HttpPeer
) -> None:
    page = open_page("/admin/cameras/camera/add/")
    page.locator("#id_kind").select_option("rtsp")
    page.locator("#id_address").fill(http_camera.url("digest"))
    page.locator("#id_username").fill(USER)
    page.locator("#id_password").fill("wrong")
    test = page.locator("#camera-test")
    test.get_by_role("button", name="Test").click()
    expect(test).to_contain_text("another user name or password", timeout=PATIENCE_MS)
    page.locator("#id_password").fill(PASSWORD)
    test.get_by_role("button", name="Test").click()
    expect(test).to_contain_text(f"{SIZE[0]} x {SIZE[1]} pixels", timeout=PATIENCE_MS)
    picture = test.get_by_role("img", name="The camera's picture")
    assert picture.evaluate("image => image.naturalWidth") == SIZE[0]
    assert api.rows("cameras") == []
