"""A training is started in the admin; its curve grows; it is cancelled, or its model appears."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, PHONE, overflow_px
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.weights,
    pytest.mark.tensorflow,
    pytest.mark.timeout(500),
]
Photos = Callable[[str], bytes]
PAGE = "/admin/training/trainingrun/add/"
# The child imports TensorFlow first.
START_MS = 4 * PATIENCE_MS


@pytest.fixture
def folder(site: Site, sample_photo: Photos) -> str:
    """Five people of two photos each. Who they are does not matter to a curve."""
    root = site.folder / "training_data" / "staff"
    for number in range(5):
        person = root / f"person {number}"
        person.mkdir(parents=True, exist_ok=True)
        for name in ("obama", "obama2" if number % 2 else "biden"):
            (person / f"{name}.jpg").write_bytes(sample_photo(name))
    return "staff"


def start(page: Page, folder: str, *, epochs: int) -> None:
    chosen = {"folder": folder, "network": "cnn"}
    typed = {"name": "ours", "epochs": epochs, "others": 2, "size": 32, "width": 0.25,
             "patience": 0, "judge_every": 1}  # fmt: skip
    page.get_by_text("More", exact=True).click()
    for name, value in chosen.items():
        page.locator(f"select[name={name}]").select_option(value)
    for name, number in typed.items():
        page.locator(f"input[name={name}]").fill(str(number))
    page.get_by_role("button", name="Start").click()


def keep_picture(page: Page, name: str) -> None:
    """SCREENSHOTS: see `test_looks`."""
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}.png", full_page=True)


def test_curve_grows_until_the_training_is_cancelled(open_page: OpenPage, folder: str) -> None:
    page = open_page(PAGE)
    keep_picture(page, "training-new")
    start(page, folder, epochs=1000)
    figures = page.locator("#curve-figures tbody tr")
    expect(page.locator("#curves svg")).to_have_count(2, timeout=START_MS)
    seen = figures.count()
    page.wait_for_function(
        "seen => document.querySelectorAll('#curve-figures tbody tr').length > seen + 3",
        arg=seen,
        timeout=PATIENCE_MS,
    )
    keep_picture(page, "training-running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".fr-box")).to_have_text("Cancelled", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_training_that_ends_leads_to_its_model(open_page: OpenPage, api: Api, folder: str) -> None:
    page = open_page(PAGE)
    start(page, folder, epochs=4)
    box = page.locator(".fr-box")
    # Without any action of the user, the script learns of the end and loads the result.
    expect(box.get_by_text("Done", exact=True)).to_be_visible(timeout=2 * START_MS)
    expect(page.locator("#curve-figures tbody tr")).to_have_count(4)
    box.get_by_role("link").click()
    expect(page.get_by_text("Added: not measured yet").first).to_be_visible()
    expect(page.get_by_text("10 pictures of 5 people of a folder of the server")).to_be_visible()
    model = next(row for row in api.rows("models") if row["name"] == "ours")
    api.delete(f"models/{model['id']}")


@pytest.mark.parametrize("theme", ["light", "dark"] if "SCREENSHOTS" in os.environ else ["light"])
def test_pages_of_trainings_fit_a_phone(
    open_page: OpenPage, site: Site, api: Api, theme: str
) -> None:
    run = site.hand.make("training_run", collection=api.rows("collections")[0]["id"])
    page = open_page(PAGE, window=PHONE, color_scheme=theme)
    for name, path in {"new": PAGE, "run": f"/admin/training/trainingrun/{run}/change/"}.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.get_by_text("More" if name == "new" else "Figures", exact=True).click()
        assert overflow_px(page) <= 0, path
        keep_picture(page, f"training-{name}-phone-{theme}")
        if "SCREENSHOTS" in os.environ:
            page.set_viewport_size({"width": 1280, "height": 900})
            keep_picture(page, f"training-{name}-desktop-{theme}")
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
