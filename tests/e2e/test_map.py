"""The map of a collection, and its measurement, in a browser. SCREENSHOTS names a folder in which
the pictures are kept, for people to look at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, overflow_px
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.e2e.test_accessibility import violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.weights,
    pytest.mark.data,
    pytest.mark.timeout(600),
]
PEOPLE = 12


def _enrol(api: Api, data_dir: Path) -> str:
    """People of LFW with a photo each; returns the id of their collection."""
    enrolled = 0
    for folder in sorted((data_dir / "lfw").glob("*/")):
        person = api.post("persons", json={"name": folder.name.replace("_", " ")})
        photo = min(folder.glob("*.jpg")).read_bytes()
        address = f"persons/{person['id']}/images"
        files = {"images": ("1.jpg", photo)}
        enrolled += api.post(address, files=files, data={"face": "central"})["accepted"]
        if enrolled == PEOPLE:
            break
    collection: str = api.rows("collections")[0]["id"]
    return collection


def _shot(page: Page, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_map_shows_people_and_leads_to_them(
    open_page: OpenPage, api: Api, data_dir: Path, tmp_path: Path, theme: str
) -> None:
    collection = _enrol(api, data_dir)
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page = open_page(f"/admin/people/collection/{collection}/map/", color_scheme=theme)
    people = page.locator("svg.fr-map a")
    expect(people).to_have_count(PEOPLE, timeout=PATIENCE_MS)
    page.wait_for_load_state("networkidle")
    loaded = page.evaluate(
        "Promise.all([...document.querySelectorAll('.fr-map image')]"
        ".map((image) => fetch(image.href.baseVal).then((answer) => answer.ok)))"
    )
    assert all(loaded)
    assert overflow_px(page) == 0
    assert not violations(page)
    _shot(page, f"map-{theme}", folder)
    name = people.first.get_attribute("aria-label")
    people.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#id_name")).to_have_value(str(name), timeout=PATIENCE_MS)
