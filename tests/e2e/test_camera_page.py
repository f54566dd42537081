"""The page of one camera."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, overflow_px, visits
from tests.e2e.conftest import OpenPage
from tests.e2e.doors import make_doors
from tests.e2e.site import Api, Site
from tests.e2e.test_phone import TOUCH

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
Photos = Callable[[str], bytes]
_CORNERS = [(0, 0), (1, 0), (1, 1), (0, 1)]


@pytest.fixture
def door(site: Site, api: Api, sample_photo: Photos) -> str:
    api.enrol("Barack Obama", sample_photo("obama"))
    return make_doors(site, api, sample_photo, 1)[0]


def _areas(api: Api, camera: str) -> dict[str, Any]:
    return api.get(f"cameras/{camera}")["areas"]


def _save(page: Page) -> None:
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and answer.ok):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()


def test_camera_page_shows_state_picture_figures_and_visits(
    open_page: OpenPage, site: Site, door: str
) -> None:
    site.hand.make("minutes", camera=door)
    page = open_page(f"/cameras/{door}/")
    expect(page.locator("#status")).to_contain_text(
        re.compile(r"Running since \d"), timeout=PATIENCE_MS
    )
    expect(page.locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(visits(page, "Barack Obama").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".chart")).to_have_count(3)
    expect(page.locator(".chart").first).to_contain_text("Frames a second now 4.9")
    expect(page.get_by_role("row", name=re.compile("Finding faces 10.2 18.4"))).to_be_visible()
    page.get_by_label("Stage of the delay").select_option("Finding faces")
    expect(page.locator(".chart").last).to_contain_text("finding faces")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("link", name="Picture, areas, figures and visits")).to_be_visible()


def test_camera_that_does_not_run_shows_the_picture_of_its_last_visit(
    open_page: OpenPage, api: Api, door: str
) -> None:
    page = open_page(f"/cameras/{door}/")
    expect(visits(page, "Barack Obama").first).to_be_visible(timeout=PATIENCE_MS)
    api.patch(f"cameras/{door}", json={"is_enabled": False})
    expect(page.locator("#status")).to_contain_text("Off since", timeout=PATIENCE_MS)
    expect(page.locator("#still")).to_contain_text("of the last visit", timeout=PATIENCE_MS)
    expect(page.locator("#stage")).to_have_attribute("data-shows", "result")


def test_page_of_a_camera_is_linked_from_wall_and_visits(open_page: OpenPage, door: str) -> None:
    page = open_page(f"/live/?cameras={door}")
    page.get_by_role("link", name="About Door 1").click()
    expect(page.get_by_role("heading", name="Door 1")).to_be_visible()
    page.go_back()
    visits(page).first.get_by_role("link", name="Door 1").click(timeout=PATIENCE_MS)
    expect(page.get_by_role("heading", name="Door 1")).to_be_visible()


def test_area_is_drawn_with_the_keyboard(open_page: OpenPage, api: Api, door: str) -> None:
    page = open_page(f"/cameras/{door}/")
    expect(page.locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Watch an area").press("Enter")
    first = page.get_by_role("button", name="Watched area 1, point 1 of 4")
    expect(first).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name=re.compile("Watched area 1, point"))).to_have_count(3)
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name=re.compile("Watched area 1, point"))).to_have_count(4)
    _save(page)
    drawn = [[0.25, 0.28], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    assert _areas(api, door) == {"watch": [drawn], "ignore": []}
    page.get_by_role("button", name="Watched area 1", exact=True).focus()
    page.keyboard.press("Delete")
    _save(page)
    assert _areas(api, door) == {"watch": [], "ignore": []}


def test_area_is_drawn_with_the_mouse_and_hides_faces_at_once(
    open_page: OpenPage, api: Api, door: str
) -> None:
    page = open_page(f"/cameras/{door}/")
    expect(page.locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Ignore an area").click()
    # The corners go to those of the picture, and beyond.
    for number, (x, y) in enumerate(_CORNERS, 1):
        point = page.get_by_role("button", name=f"Ignored area 1, point {number} of 4")
        view, place = page.locator("#view").bounding_box(), point.bounding_box()
        assert view is not None and place is not None
        page.mouse.move(place["x"] + 8, place["y"] + 8)
        page.mouse.down()
        page.mouse.move(
            view["x"] + view["width"] * (x * 1.01 - 0.005),
            view["y"] + view["height"] * (y * 1.01 - 0.005),
            steps=4,
        )
        page.mouse.up()
    _save(page)
    (drawn,) = _areas(api, door)["ignore"]
    assert drawn == [pytest.approx(corner, abs=0.02) for corner in _CORNERS]
    before = len(api.rows("events?page_size=500"))
    page.goto(f"/live/?cameras={door}")
    expect(page.locator("#present")).to_have_text("No face in the picture", timeout=PATIENCE_MS)
    page.wait_for_timeout(3000)
    expect(page.locator("#present")).to_have_text("No face in the picture")
    assert len(api.rows("events?page_size=500")) <= before + 1, "those begun before the change"


def test_point_is_made_by_pulling_a_line_and_undone(
    open_page: OpenPage, api: Api, door: str
) -> None:
    page = open_page(f"/cameras/{door}/")
    expect(page.locator(".state")).to_have_text("Live", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Watch an area").click()
    view = page.locator("#view").bounding_box()
    first = page.get_by_role("button", name="Watched area 1, point 1 of 4").bounding_box()
    second = page.get_by_role("button", name="Watched area 1, point 2 of 4").bounding_box()
    assert view is not None and first is not None and second is not None
    x, y = (first["x"] + second["x"]) / 2 + 8, first["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - view["height"] * 0.1, steps=4)
    page.mouse.up()
    points = page.get_by_role("button", name=re.compile("Watched area 1, point"))
    expect(points).to_have_count(5)
    page.get_by_role("button", name="Undo").click()
    expect(points).to_have_count(4)
    page.get_by_role("button", name="Undo").click()
    expect(points).to_have_count(0)
    expect(page.get_by_role("button", name="Save")).to_be_disabled()


def test_viewer_sees_areas_and_may_not_change_them(
    open_page: OpenPage, api: Api, door: str
) -> None:
    square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    api.patch(f"cameras/{door}", json={"areas": {"watch": [square]}})
    page = open_page(f"/cameras/{door}/", user="viewer")
    expect(page.locator("polygon.area-watch")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator("#area-words")).to_contain_text("inside of the watched areas")
    expect(page.locator("#area-tools")).to_be_hidden()
    expect(page.locator(".area-point")).to_have_count(0)
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)


def test_camera_page_fits_on_a_phone_and_areas_are_drawn_by_touch(
    open_page: OpenPage, site: Site, api: Api, door: str
) -> None:
    site.hand.make("minutes", camera=door)
    page = open_page(f"/cameras/{door}/", **{**TOUCH, "window": (390, 844)})
    expect(page.locator(".chart")).to_have_count(3, timeout=PATIENCE_MS)
    assert overflow_px(page) == 0
    page.get_by_role("button", name="Watch an area").tap()
    page.get_by_role("button", name="Watched area 1, point 3 of 4").tap()
    page.get_by_role("button", name="Remove").tap()
    expect(page.get_by_role("button", name=re.compile("Watched area 1, point"))).to_have_count(3)
    _save(page)
    assert len(_areas(api, door)["watch"][0]) == 3
