"""Two people are enrolled by photos in the admin, as an administrator would do it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]


def _file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def _add_person(page: Page, name: str, photos: list[FilePayload]) -> None:
    """A new person is saved, and photos are asked for, which are sent as soon as they are chosen;
    the only collection need not be chosen."""
    page.goto("/admin/people/person/add/")
    page.locator("#id_name").fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("input[name=photos]").set_input_files(photos)


def test_two_people_are_enrolled_and_each_photo_is_answered(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    page = open_page("/admin/")
    files = [_file("good.jpg", sample_photo("obama")), _file("notes.jpg", b"no picture")]
    _add_person(page, "Barack Obama", files)
    report = page.locator(".fr-report li")
    expect(report).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator(".fr-report .fr-ok")).to_contain_text("good.jpg")
    expect(page.locator(".fr-report .fr-refused")).to_contain_text("notes.jpg")
    _add_person(page, "Joe Biden", [_file("portrait.jpg", sample_photo("biden"))])
    expect(report).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator(".fr-report .fr-ok")).to_contain_text("portrait.jpg")

    people = {person["name"]: person["id"] for person in api.rows("persons")}
    assert set(people) == {"Barack Obama", "Joe Biden"}
    for person in people.values():
        assert len(api.rows(f"persons/{person}/images")) == 1
    page.goto("/admin/people/person/")
    thumbnails = page.locator("#result_list img.fr-thumb")
    expect(thumbnails).to_have_count(2)
    for thumbnail in thumbnails.all():
        expect(thumbnail).to_have_js_property("complete", value=True)
        assert thumbnail.evaluate("image => image.naturalWidth") > 0
