"""The wall and the page of a camera as they look: on a desktop and on a phone, light and dark, with
1, 4 and 16 cameras. Each view must fit its window and have no serious fault of accessibility.

SCREENSHOTS names a folder for pictures of them, for people to look at: of both themes on both
devices. Without it, each theme and each device is looked at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, overflow_px
from tests.e2e.conftest import OpenPage
from tests.e2e.doors import make_doors
from tests.e2e.site import Api, Site
from tests.e2e.test_accessibility import violations
from tests.e2e.test_phone import TOUCH

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(600)]
Photos = Callable[[str], bytes]
WINDOWS: dict[str, dict[str, Any]] = {
    "desktop": {"window": (1440, 900)},
    "phone": {**TOUCH, "window": (390, 844), "device_scale_factor": 2},
}
LOOKS = [("desktop", "light"), ("phone", "dark")]
if "SCREENSHOTS" in os.environ:
    LOOKS += [("desktop", "dark"), ("phone", "light")]
# The other rules know neither sizes nor colours, so one look is enough.
RULES_OF_LOOKS = ("color-contrast", "scrollable-region-focusable")
AREAS = {
    "watch": [[[0.05, 0.12], [0.62, 0.04], [0.72, 0.9], [0.08, 0.97]]],
    "ignore": [[[0.74, 0.08], [0.97, 0.08], [0.97, 0.6], [0.8, 0.7]]],
}


@pytest.fixture
def doors(site: Site, api: Api, sample_photo: Photos) -> list[str]:
    api.enrol("Barack Obama", sample_photo("obama"))
    return make_doors(site, api, sample_photo, 16, max_fps=1)


def test_views_of_cameras_fit_and_are_accessible(
    open_page: OpenPage, site: Site, api: Api, doors: list[str]
) -> None:
    site.hand.make("minutes", camera=doors[2])
    api.patch(f"cameras/{doors[2]}", json={"areas": AREAS})
    found: list[str] = []
    for number, (device, theme) in enumerate(LOOKS):
        # A card that fades in has too little contrast for a moment.
        page = open_page("/help/", color_scheme=theme, reduced_motion="reduce", **WINDOWS[device])
        rules = RULES_OF_LOOKS if number else ()
        for name in _views(page, doors):
            told = f"{name}-{device}-{theme}"
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"{told}.png")
            assert overflow_px(page) == 0, told
            found.extend(f"{told}: {fault}" for fault in violations(page, *rules))
        page.close()
    assert not found, "\n".join(found)


def _views(page: Page, doors: list[str]) -> Iterator[str]:
    """The names of the views, each when the page shows it."""
    for count in (1, 4, 16):
        page.goto(f"/live/?cameras={','.join(doors[:count])}")
        _await_pictures(page, count)
        yield f"wall-{count}"
    page.get_by_role("button", name="Door 3", exact=True).press("Enter")
    expect(page.locator("#present")).to_contain_text("Barack Obama", timeout=PATIENCE_MS)
    yield "large"
    page.goto(f"/cameras/{doors[2]}/")
    expect(page.locator("#stage .state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(page.locator(".chart")).to_have_count(3, timeout=PATIENCE_MS)
    yield "camera"


def _await_pictures(page: Page, count: int) -> None:
    """All that are on the screen."""
    expect(page.get_by_role("article")).to_have_count(count, timeout=PATIENCE_MS)
    expect(page.locator(".stage[data-shows=result]").first).to_be_visible(timeout=PATIENCE_MS)
    least = count if page.viewport_size and page.viewport_size["width"] > 900 else min(count, 4)
    page.wait_for_function(
        "least => document.querySelectorAll('.stage[data-shows=result]').length >= least",
        arg=least,
        timeout=2 * PATIENCE_MS,
    )
