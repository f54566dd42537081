"""An event is reviewed on its page, by keys, and the review is undone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]


def test_event_is_reviewed_by_keys_and_undone(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos
) -> None:
    person = api.enrol("Barack Obama", sample_photo("obama"))
    older, newer = (
        site.hand.make("event", person=person["id"]),
        site.hand.make("event", person=person["id"]),
    )
    page = open_page(f"/admin/events/event/{newer}/change/")
    page.keyboard.press("c")
    expect(page.locator("body")).to_contain_text("Confirmed: 1 event", timeout=PATIENCE_MS)
    page.wait_for_load_state()  # then the page listens for keys
    page.keyboard.press("n")
    expect(page.locator("body")).to_contain_text("Rejected: 1 event", timeout=PATIENCE_MS)
    assert api.get(f"events/{newer}")["review"] == "rejected"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("body")).to_contain_text("Undone: 1 event", timeout=PATIENCE_MS)
    assert api.get(f"events/{newer}")["review"] == "confirmed"
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**/{older}/change/**")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/{newer}/change/**")
