"""The whole way of a model of one's own in the admin: dropped, evaluated, compared, put in force,
taken back, and the former one let go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS, PHONE, WINDOW, overflow_px
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site
from tests.own_models import tiny_tflite

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]

_PEOPLE = 90
_DROPPED = """content => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([Uint8Array.from(content)], "mine.tflite"));
    return dropped;
}"""


@pytest.fixture
def gate(site: Site, api: Api) -> Iterator[str]:
    """The id of a collection with enough people."""
    collection = api.post("collections", json={"name": "Gate"})["id"]
    try:
        site.hand.make("crowd", collection=collection, people=_PEOPLE)
        yield collection
    finally:
        api.forget_everything()
        api.delete(f"collections/{collection}")
        for row in api.rows("models"):
            if row["source"] == "file":
                api.delete(f"models/{row['id']}")


def _press(page: Page, button: str, message: str) -> None:
    """Until the page answers with this message: other processes may still load a gallery."""
    told = page.get_by_text(re.compile(message))
    for _ in range(20):
        page.get_by_role("button", name=re.compile(button)).click()
        page.wait_for_load_state()
        if told.count():
            return
        page.wait_for_timeout(1000)
    raise AssertionError(page.inner_text("body"))


def _add(page: Page, path: Path) -> None:
    """The file is dropped, and gives the model its name."""
    dropped = page.evaluate_handle(_DROPPED, list(path.read_bytes()))
    page.dispatch_event(".fr-drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("[data-chosen]")).to_contain_text("mine.tflite")
    expect(page.locator("input[name=name]")).to_have_value("mine")
    page.locator("input[name=licence]").fill("CC0")
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_text("was added. Evaluate it next.")).to_be_visible(timeout=PATIENCE_MS)


def _evaluate(page: Page) -> None:
    page.locator("a[href*='/evaluate']").first.click()
    page.locator("select[name=collection]").select_option(label="Gate")
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.locator(".fr-job-state")).to_have_text("Done", timeout=PATIENCE_MS)


def test_model_goes_its_whole_way_in_the_admin(
    open_page: OpenPage, api: Api, gate: str, tmp_path: Path
) -> None:
    page = open_page("/admin/people/modelversion/add/")
    _add(page, tiny_tflite(tmp_path / "mine.tflite"))
    model = page.url
    _evaluate(page)
    page.goto(model)
    expect(page.get_by_text("Usable", exact=True)).to_be_visible()
    expect(page.locator(".fr-facts")).to_have_count(2)
    (mine,) = (row["version"] for row in api.rows("models") if row["name"] == "mine")

    page.goto(f"/admin/people/collection/{gate}/model-change/")
    page.locator("select[name=embedder]").select_option(label=mine)
    page.get_by_role("button", name="Start", exact=True).click()
    switch = page.get_by_role("button", name=f"Switch to {mine}")
    # Without any action of the user, the script learns of the end of the job and loads the page.
    expect(switch).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text(re.compile(f"of {_PEOPLE} people with several photos"))).to_have_count(
        2
    )
    curves = page.locator("figure img:visible")
    expect(curves).to_have_count(4)
    for curve in curves.all():
        curve.scroll_into_view_if_needed()
        expect(curve).to_have_js_property("complete", value=True)
        assert curve.evaluate("image => image.naturalWidth") > 0

    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert overflow_px(page) == 0
    page.goto(model)
    assert overflow_px(page) == 0, "figures and operations fit into a phone"
    page.set_viewport_size({"width": WINDOW[0], "height": WINDOW[1]})
    page.go_back()

    camera = api.post("cameras", json={"name": "Door", "collection": gate, "model": mine})
    _press(page, "^Cancel", "Door: recognised with mine@")
    api.delete(f"cameras/{camera['id']}")
    _press(page, "^Switch to mine@", "mine@.* is in force")
    assert api.get(f"collections/{gate}")["model"] == mine
    _press(page, "^Roll back to mobilefacenet@", "in force again")
    assert api.get(f"collections/{gate}")["embedder"] == "mobilefacenet"
    _press(page, "^Switch to mine@", "mine@.* is in force")
    _press(page, "^Let mobilefacenet@.* go", "is being removed")
    expect(page.get_by_text(re.compile("is over: done"))).to_be_visible(timeout=PATIENCE_MS)
    row = api.get(f"collections/{gate}")
    assert (row["model"], row["candidate"]) == (mine, None)
    assert row["in_force"]["templates"] == 2 * _PEOPLE
