"""The live page as a wall of several cameras."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.e2e.browsing import PATIENCE_MS, overflow_px, visits
from tests.e2e.conftest import OpenPage
from tests.e2e.doors import make_doors
from tests.e2e.site import Api, Site
from tests.e2e.test_phone import TOUCH
from tests.e2e.webcam import write_webcam

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
Photos = Callable[[str], bytes]


@pytest.fixture
def doors(site: Site, api: Api, sample_photo: Photos) -> list[str]:
    """Four cameras, and an enrolled person who stands at the first and the third one."""
    api.enrol("Barack Obama", sample_photo("obama"))
    return make_doors(site, api, sample_photo, 4)


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def open_large(page: Page, name: str) -> Locator:
    """The button that shows the tile large, and back."""
    return tile(page, name).get_by_role("button", name=name, exact=True)


class SizesWanted:
    """What the page asks of each camera: the side of its pictures in pixels, the newest last."""

    def __init__(self, page: Page) -> None:
        self.of: dict[str, list[int]] = {}
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        if found := re.search(r"/ws/cameras/([\w-]+)/", socket.url):
            sides = self.of.setdefault(found[1], [])
            socket.on("framesent", lambda text: sides.append(json.loads(text)["side_px"]))

    def now(self, cameras: list[str]) -> list[int]:
        return [self.of[camera][-1] for camera in cameras]


def test_cameras_are_chosen_for_the_wall_and_show_who_is_there(
    open_page: OpenPage, doors: list[str]
) -> None:
    page = open_page("/live/")
    page.get_by_role("button", name="Several…").click()
    dialog = page.get_by_role("dialog", name="Cameras on the wall")
    for number in (1, 2, 3, 4):
        dialog.get_by_label(f"Door {number}").check()
    dialog.get_by_role("button", name="Show").click()
    expect(page.get_by_role("article")).to_have_count(4)
    expect(tile(page, "Door 1")).to_contain_text("✓ Barack Obama", timeout=PATIENCE_MS)
    expect(tile(page, "Door 1")).to_have_attribute("data-decision", "match")
    expect(tile(page, "Door 2")).to_contain_text("? Unknown", timeout=PATIENCE_MS)
    both = tile(page, "Door 3")
    expect(both).to_contain_text("? Unknown", timeout=PATIENCE_MS)
    expect(both).to_contain_text("✓ Barack Obama", timeout=PATIENCE_MS)
    expect(both).to_have_attribute("data-decision", "unknown")
    expect(tile(page, "Door 4").locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(tile(page, "Door 4").locator(".badge")).to_have_count(0)
    assert urlsplit(page.url).query == f"cameras={','.join(doors)}"


def test_address_of_the_wall_shows_the_same_cameras_to_others(
    open_page: OpenPage, doors: list[str]
) -> None:
    page = open_page(f"/live/?cameras={doors[2]},{doors[0]},{'0' * 8}-0000-4000-8000-{'0' * 12}")
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.locator("#source option:checked")).to_have_text("2 cameras")
    expect(tile(page, "Door 1").locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    # It is remembered for this person, in this browser.
    page.goto("/live/")
    expect(page.get_by_role("article")).to_have_count(2)
    expect(tile(page, "Door 3").locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    page.locator("#run").click()
    expect(tile(page, "Door 3").locator(".state")).to_have_text("Stopped")
    expect(page).to_have_url(re.compile(r"/live/$"))


def test_camera_becomes_large_with_mouse_and_keyboard(
    open_page: OpenPage, doors: list[str]
) -> None:
    page = open_page(f"/live/?cameras={','.join(doors)}")
    expect(tile(page, "Door 1")).to_contain_text("Barack Obama", timeout=PATIENCE_MS)
    tile(page, "Door 1").click()
    expect(page.locator(".stage:visible")).to_have_count(1)
    expect(page.locator("#present")).to_contain_text("Barack Obama", timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(page.locator(".stage:visible")).to_have_count(4)
    expect(page.locator("#present")).to_be_hidden()
    expect(open_large(page, "Door 1")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(open_large(page, "Door 4")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".stage:visible")).to_have_count(1)
    expect(open_large(page, "Door 4")).to_have_attribute("aria-pressed", "true")


def test_pictures_are_asked_for_at_the_size_of_tiles_that_somebody_sees(
    open_page: OpenPage, doors: list[str]
) -> None:
    page = open_page("/help/")
    sizes = SizesWanted(page)
    page.goto(f"/live/?cameras={','.join(doors)}")
    for number in (1, 2, 3, 4):
        state = tile(page, f"Door {number}").locator(".state")
        expect(state).to_have_text("Live", timeout=PATIENCE_MS)
    page.wait_for_timeout(500)
    small = sizes.now(doors)
    assert all(100 < side < 500 for side in small), small
    open_large(page, "Door 2").press("Enter")
    page.wait_for_timeout(1000)
    first, large, *others = sizes.now(doors)
    assert large > 1.5 * max(small)
    assert [first, *others] == [0, 0, 0]
    page.keyboard.press("Escape")
    page.wait_for_timeout(1000)
    assert sizes.now(doors) == small
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(500)
    assert sizes.now(doors) == [0, 0, 0, 0]


def test_device_and_cameras_of_the_server_stand_on_one_wall(
    open_page: OpenPage, doors: list[str], sample_photo: Photos, tmp_path: Path
) -> None:
    webcam = write_webcam(tmp_path / "biden.mjpeg", sample_photo("biden"))
    page = open_page(f"/live/?cameras={doors[0]},device", webcam=webcam)
    expect(tile(page, "This device")).to_contain_text("? Unknown", timeout=PATIENCE_MS)
    expect(tile(page, "Door 1")).to_contain_text("✓ Barack Obama", timeout=PATIENCE_MS)
    open_large(page, "This device").press("Enter")
    present = page.locator("#present")
    expect(present.get_by_role("button", name="Enrol")).to_be_visible(timeout=PATIENCE_MS)


def test_full_screen_keeps_the_visits_in_view(open_page: OpenPage, doors: list[str]) -> None:
    page = open_page(f"/live/?cameras={','.join(doors)}")
    expect(visits(page, "Barack Obama").first).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("f")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator("#controls")).to_be_hidden()
    expect(visits(page, "Barack Obama").first).to_be_visible()
    page.get_by_role("button", name="Full screen").click()
    expect(page.locator(".top")).to_be_visible()


def test_visits_are_filtered_by_camera_label_and_decision(
    open_page: OpenPage, api: Api, doors: list[str]
) -> None:
    (person,) = api.rows("persons")
    api.patch(f"persons/{person['id']}", json={"labels": ["staff"]})
    page = open_page(f"/live/?cameras={','.join(doors)}")
    expect(visits(page, "Unknown")).not_to_have_count(0, timeout=PATIENCE_MS)
    expect(visits(page, "Barack Obama")).not_to_have_count(0, timeout=PATIENCE_MS)
    page.get_by_label("Unknown only").check()
    expect(visits(page, "Barack Obama")).to_have_count(0)
    expect(visits(page, "Unknown").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Unknown only").uncheck()
    page.get_by_label("Of the camera").select_option("Door 2")
    expect(visits(page).filter(has_not_text="Door 2")).to_have_count(0)
    expect(visits(page).first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Of the camera").select_option("All cameras")
    page.get_by_label("Of people with the label").fill("staff")
    expect(visits(page, "Unknown")).to_have_count(0)
    expect(visits(page, "Barack Obama").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Of people with the label").fill("guests")
    expect(visits(page)).to_have_count(0)
    expect(page.locator("#feed-empty")).to_contain_text("No visit is like that")


def test_visits_since_the_last_look_are_marked(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos
) -> None:
    person = api.enrol("Barack Obama", sample_photo("obama"))
    site.hand.make("event", person=person["id"])
    page = open_page("/live/")
    expect(visits(page)).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator(".feed-mark")).to_have_count(0)
    page.goto("/help/")
    newer = site.hand.make("event", person=person["id"])
    page.goto("/live/")
    expect(visits(page)).to_have_count(2, timeout=PATIENCE_MS)
    order = page.locator("#feed > li").evaluate_all("rows => rows.map(row => row.dataset.event)")
    assert order[0] == newer
    expect(page.locator("#feed > li").nth(1)).to_have_text("New since you looked")
    page.reload()
    expect(visits(page)).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator(".feed-mark")).to_have_count(0)


def test_wall_fits_on_a_phone(open_page: OpenPage, doors: list[str]) -> None:
    page = open_page(f"/live/?cameras={','.join(doors)}", **{**TOUCH, "window": (390, 844)})
    expect(tile(page, "Door 1")).to_contain_text("Barack Obama", timeout=PATIENCE_MS)
    assert overflow_px(page) == 0
    tile(page, "Door 1").tap()
    expect(page.locator(".stage:visible")).to_have_count(1)
    assert overflow_px(page) == 0
    open_large(page, "Door 1").tap()
    expect(page.locator(".stage:visible")).to_have_count(4)
    page.get_by_role("button", name="Several…").tap()
    expect(page.get_by_role("dialog", name="Cameras on the wall")).to_be_visible()
    assert overflow_px(page) == 0
