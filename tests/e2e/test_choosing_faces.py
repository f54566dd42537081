"""A face is chosen in a picture that shows several people, and becomes a person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.pictures import side_by_side

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(240)]
Photos = Callable[[str], bytes]


@pytest.fixture
def group(sample_photo: Photos) -> FilePayload:
    data = side_by_side(sample_photo("obama"), sample_photo("biden"))
    return {"name": "group.jpg", "mimeType": "image/jpeg", "buffer": data}


def test_click_on_a_face_of_a_group_enrols_it_on_the_try_page(
    open_page: OpenPage, api: Api, group: FilePayload
) -> None:
    page = open_page("/try/")
    page.locator("#files").set_input_files([group])
    picture = page.locator(".photo canvas")
    expect(page.locator(".face-card")).to_have_count(2, timeout=PATIENCE_MS)
    size = picture.bounding_box()
    assert size is not None
    picture.click(position={"x": size["width"] * 0.35, "y": size["height"] * 0.22})
    dialog = page.get_by_role("dialog", name="Enrol this face")
    page.keyboard.type("Barack Obama")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator(".face-card h3")).to_have_text(["Barack Obama", "Unknown"])


def test_face_of_a_group_is_chosen_on_the_page_that_adds_photos(
    open_page: OpenPage, api: Api, group: FilePayload
) -> None:
    person = api.post("persons", json={"name": "Joe Biden"})
    page = open_page(f"/admin/people/person/{person['id']}/photos/")
    page.locator("input[name=photos]").set_input_files([group])
    row = page.locator(".fr-report li")
    expect(row).to_contain_text("click the face of Joe Biden", timeout=PATIENCE_MS)
    row.get_by_role("button", name="Choose this face").nth(1).click()
    dialog = page.get_by_role("dialog", name="Enrol this face")
    expect(dialog.get_by_label("Who is this?")).to_have_value("Joe Biden")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("enrolled as Joe Biden", timeout=PATIENCE_MS)
    assert len(api.rows(f"persons/{person['id']}/images")) == 1


def test_photo_is_moved_to_another_person(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    wrong = api.enrol("Joe Biden", sample_photo("obama"))
    right = api.post("persons", json={"name": "Barack Obama"})
    page = open_page(f"/admin/people/person/{wrong['id']}/change/")
    page.get_by_role("button", name="Move photo 1").click()
    dialog = page.get_by_role("dialog", name="Whose photo is this?")
    page.keyboard.type("Barack")
    dialog.get_by_role("option", name="Barack Obama").click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".fr-grid li")).to_have_count(0, timeout=PATIENCE_MS)
    assert len(api.rows(f"persons/{right['id']}/images")) == 1
