"""The content policy forbids nothing that pages of other packages need; `open_page` checks it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
_LISTS = (
    "people/person",
    "people/collection",
    "events/event",
    "cameras/camera",
    "accounts/user",
    "accounts/apikey",
    "accounts/auditentry",
    "notices/webhook",
)


def test_admin_works_under_its_policy(open_page: OpenPage) -> None:
    page = open_page("/admin/")
    for name in _LISTS:
        page.goto(f"/admin/{name}/")
        expect(page.locator("h1, h2").first).to_be_visible(timeout=PATIENCE_MS)
    for name in ("people/person/add", "cameras/camera/add", "accounts/user/add"):
        page.goto(f"/admin/{name}/")
        expect(page.get_by_role("button", name="Save", exact=True)).to_be_visible()
    assert page.evaluate("typeof window.Alpine") == "object"


def test_api_docs_work_under_their_policy(open_page: OpenPage) -> None:
    page = open_page("/api/docs/")
    expect(page.locator(".opblock").first).to_be_visible(timeout=PATIENCE_MS)
    assert "blocked" not in page.content()
