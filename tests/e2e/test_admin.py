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


def _add_person(page: Page, name: str) -> None:
    page.goto("/admin/recognition/person/add/")
    page.get_by_label("Name", exact=False).first.fill(name)
    page.locator("select[name=collection]").evaluate(
        "select => { select.value = [...select.options].at(-1).value }"
    )
    page.locator("button[name=_save], input[name=_save]").first.click()


def test_photos_are_answered_one_by_one(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    page = open_page("/admin/")
    _add_person(page, "Barack Obama")
    page.wait_for_url("**/add-photos/")
    files = [_file("good.jpg", sample_photo("obama")), _file("notes.jpg", b"no picture")]
    page.locator("input[name=photos]").set_input_files(files)
    page.get_by_role("button", name="Add photos").click()
    report = page.locator(".fr-report li")
    expect(report).to_have_count(2, timeout=PATIENCE_MS)
    expect(report.filter(has_text="good.jpg")).to_contain_text("Added")
    expect(report.filter(has_text="notes.jpg")).to_contain_text("Refused")
    (person,) = api.rows("persons")
    assert len(api.rows(f"persons/{person['id']}/images")) == 1
    page.goto("/admin/recognition/person/")
    thumbnail = page.locator("#result_list img.fr-thumb").first
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("image => image.naturalWidth") > 0
