"""Steps by hand on the docs page of the API, and with photos in the admin."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]
_DROP = """([form, data, name]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    form.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def _try(page: Page, operation: str, photo: bytes) -> int:
    """Open an operation, choose a file, execute; the status of the answer."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    file = block.locator("input[type=file]").first
    file.set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo})
    with page.expect_response(lambda answer: "/api/v1/" in answer.url) as answered:
        block.locator("button.execute").click()
    return answered.value.status


def test_the_docs_page_sends_what_was_chosen(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    page = open_page("/api/docs/")
    expect(page.locator(".opblock").first).to_be_visible(timeout=PATIENCE_MS)
    assert _try(page, "recognise-identify", sample_photo("obama")) == 200
    # The page sends the CSRF token, so writes with the session are accepted.
    block = page.locator("#operations-persons-persons_create")
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    with page.expect_response(lambda answer: "/api/v1/persons" in answer.url) as answered:
        block.locator("button.execute").click()
    assert answered.value.status == 201
    assert [person["name"] for person in api.rows("persons")] == ["Ann Example"]


def test_photos_are_dropped_and_one_is_deleted(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    person = api.enrol("Barack Obama", sample_photo("obama"))
    page = open_page(f"/admin/people/person/{person['id']}/change/")
    form = page.locator("form.fr-drop").element_handle()
    data = base64.b64encode(sample_photo("obama2")).decode()
    page.evaluate(_DROP, [form, data, "second.jpg"])
    expect(page.locator(".fr-report .fr-ok")).to_contain_text("second.jpg", timeout=PATIENCE_MS)
    page.locator("#report").get_by_role("link", name="Barack Obama").click()
    expect(page.locator(".fr-grid li")).to_have_count(2)

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator(".fr-photo-delete").first.click()
    expect(page.locator(".fr-grid li")).to_have_count(1, timeout=PATIENCE_MS)
    assert len(api.rows(f"persons/{person['id']}/images")) == 1
