"""What the README tells a newcomer to do, word by word. A step that is rewritten there makes the
first test fail, so that the walk follows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e.browsing import PATIENCE_MS, expect_present, start_camera, stop_camera, visits
from tests.e2e.conftest import OpenPage
from tests.e2e.site import ROOT, Api
from tests.e2e.webcam import write_webcam

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
Photos = Callable[[str], bytes]
# As the README has them; each is done by the test below.
STEPS = (
    "`make run`, open http://localhost:8000 and sign in.",
    "**Try it**: drop in a photo of a person. The face is `unknown`; *Enrol* it under a name.",
    "**Live**: start the camera. The name appears on the face, and the visit in the list "
    "beside it.",
)


def test_readme_has_the_steps_that_are_walked() -> None:
    text = (ROOT / "README.md").read_text()
    section = text.split("## Enrol a person and see the name")[1].split("\n\nNo camera")[0]
    steps = re.split(r"\n\d\. ", section)[1:]
    assert tuple(" ".join(step.split()) for step in steps) == STEPS


def test_newcomer_enrols_a_person_and_sees_the_name(
    open_page: OpenPage, api: Api, sample_photo: Photos, tmp_path: Path
) -> None:
    webcam = write_webcam(tmp_path / "biden.mjpeg", sample_photo("biden"))
    page = open_page("/live/", webcam=webcam)
    page.get_by_role("link", name="Try it").click()
    page.wait_for_load_state()  # then the page takes files
    photo: FilePayload = {
        "name": "photo.jpg",
        "mimeType": "image/jpeg",
        "buffer": sample_photo("biden"),
    }
    page.locator("#files").set_input_files([photo])
    card = page.locator(".face-card")
    expect(card.locator("h3")).to_have_text("Unknown", timeout=PATIENCE_MS)
    card.get_by_role("button", name="Enrol").click()
    dialog = page.get_by_role("dialog", name="Enrol this face")
    page.keyboard.type("Joe Biden")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
    expect(card.locator("h3")).to_have_text("Joe Biden", timeout=PATIENCE_MS)

    page.get_by_role("link", name="Live").click()
    start_camera(page)
    expect_present(page, "Joe Biden")
    expect(visits(page, "Joe Biden")).to_have_count(1, timeout=PATIENCE_MS)
    stop_camera(page)
    assert [person["name"] for person in api.rows("persons")] == ["Joe Biden"]
