"""axe-core finds nothing serious on the pages and the main pages of the admin, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(600)]
Photos = Callable[[str], bytes]
SERIOUS = {"serious", "critical"}
PAGES = (
    "/live/",
    "/try/",
    "/help/",
    "/cameras/{camera}/",
    "/admin/",
    "/admin/people/person/",
    "/admin/people/person/add/",
    "/admin/people/person/{person}/change/",
    "/admin/people/person/{person}/photos/",
    "/admin/events/event/",
    "/admin/events/event/{event}/change/",
    "/admin/events/recording/add/",
    "/admin/people/collection/",
    "/admin/people/collection/{collection}/measure/",
    "/admin/people/collection/{collection}/map/",
    "/admin/people/collection/{collection}/change-model/",
    "/admin/people/modelversion/",
    "/admin/people/modelversion/add/",
    "/admin/people/modelversion/{model}/evaluate",
    "/admin/people/modelversion/{model}/sees",
    "/admin/training/trainingrun/",
    "/admin/training/trainingrun/add/",
    "/admin/training/trainingrun/add/?task=adapt",
    "/admin/training/trainingrun/{run}/change/",
    "/admin/cameras/camera/",
    "/admin/accounts/apikey/add/",
    "/admin/accounts/auditentry/",
    "/admin/notices/webhook/",
)


def violations(page: Page, *rules: str) -> list[str]:
    """What axe calls serious, with the first element of each. rules: those to check, if not all."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = rules
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url} {one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]} "
        f"({one['nodes'][0]['failureSummary'][:200]})"
        for one in found
        if one["impact"] in SERIOUS
    ]


# The class is the admin's, which looks at the system's theme only once. A colour that fades has too
# little contrast for a moment.
_SET_DARK = """isDark => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("*, ::before, ::after { transition: none !important }");
    document.adoptedStyleSheets = [sheet];
    document.documentElement.classList.toggle("dark", isDark);
}"""


def violations_in_both_themes(page: Page) -> list[str]:
    """Of a light page, and of its colours when it is dark."""
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    page.evaluate(_SET_DARK, True)
    found += violations(page, "color-contrast")
    page.emulate_media(color_scheme="light")
    page.evaluate(_SET_DARK, False)
    return found


def test_pages_have_no_serious_violation(
    open_page: OpenPage, site: Site, api: Api, sample_photo: Photos
) -> None:
    person = api.enrol("Barack Obama", sample_photo("obama"))
    event = site.hand.make("event", person=person["id"])
    collection = api.rows("collections")[0]["id"]
    model = next(row["id"] for row in api.rows("models") if row["name"] == "mobilefacenet")
    run = site.hand.make("training_run", collection=collection)
    camera = api.post("cameras", json={"name": "Desk", "kind": "browser"})["id"]
    site.hand.make("minutes", camera=camera)
    areas = {"watch": [[[0, 0], [1, 0], [1, 1]]], "ignore": [[[0, 0], [1, 1], [0, 1]]]}
    api.patch(f"cameras/{camera}", json={"areas": areas})
    page = open_page("/try/", color_scheme="light")
    found = violations_in_both_themes(page)
    data = sample_photo("obama2")
    photo: FilePayload = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": data}
    page.locator("#files").set_input_files([photo])
    expect(page.locator(".face-card")).to_have_count(1, timeout=PATIENCE_MS)
    found += violations_in_both_themes(page)
    for path in PAGES:
        address = path.format(
            person=person["id"],
            collection=collection,
            event=event,
            camera=camera,
            model=model,
            run=run,
        )
        page.goto(address)
        page.wait_for_load_state("networkidle")
        found += violations_in_both_themes(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sign_in_has_no_serious_violation(open_page: OpenPage, theme: str) -> None:
    page = open_page("/accounts/login/", user=None, color_scheme=theme)
    assert violations(page) == []
