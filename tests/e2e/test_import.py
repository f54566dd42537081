"""People are imported by dropping a folder, or a ZIP, on a page of the admin."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.pictures import side_by_side

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
Photos = Callable[[str], bytes]
PAGE = "/admin/bulk/importrun/add/"


@pytest.fixture
def folder(tmp_path: Path, sample_photo: Photos) -> Path:
    """Two people; one photo with both of them, one file of 9 MB that is no photo."""
    root = tmp_path / "staff"
    photos = {
        "Barack Obama/1.jpg": sample_photo("obama"),
        "Barack Obama/2.jpg": sample_photo("obama2"),
        "Joe Biden/1.jpg": sample_photo("biden"),
        "Joe Biden/both.jpg": side_by_side(sample_photo("biden"), sample_photo("obama3")),
        "Joe Biden/noise.jpg": random.Random(1).randbytes(9 * 2**20),
    }
    for name, data in photos.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def drop(page: Page, path: Path) -> None:
    """As a person does it with the mouse."""
    box = page.locator(".fr-drop").bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def expect_report(page: Page) -> None:
    page.wait_for_url("**/change/", timeout=PATIENCE_MS)
    expect(page.locator(".fr-job-state")).to_have_text("Done", timeout=PATIENCE_MS)
    cards = page.locator(".fr-import-cards")
    expect(cards).to_contain_text("3enrolled", use_inner_text=False)
    expect(page.locator(".fr-report .fr-refused")).to_have_count(2)


def test_dropped_folder_is_sent_enrolled_and_reported(
    open_page: OpenPage, api: Api, folder: Path
) -> None:
    """The connection breaks once while the archive is sent."""
    page = open_page(PAGE)
    broken: list[str] = []

    def break_off(route: Route) -> None:
        if "offset=0" not in route.request.url and not broken:
            broken.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/pieces?*", break_off)
    drop(page, folder)
    expect(page.locator(".fr-drop-state")).to_contain_text("Trying again", timeout=PATIENCE_MS)
    expect_report(page)
    assert len(broken) == 1
    report = page.locator(".fr-report")
    expect(report).to_contain_text("2 faces were found")
    expect(report).to_contain_text("Joe Biden/noise.jpg")

    page.get_by_role("button", name="Enrol this face after all").click()
    expect(page.locator(".fr-import-cards")).to_contain_text("4enrolled", use_inner_text=False)
    people = {person["name"]: person["id"] for person in api.rows("persons")}
    assert set(people) == {"Barack Obama", "Joe Biden"}
    assert {len(api.rows(f"persons/{person}/images")) for person in people.values()} == {2}


def test_dropped_zip_goes_on_after_a_pause(
    open_page: OpenPage, api: Api, folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "staff.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.jpg")):
            file.write(path, path.relative_to(folder))
    page = open_page(PAGE)
    page.route("**/pieces?offset=8388608", lambda route: None)  # never answered
    drop(page, archive)
    expect(page.locator(".fr-drop-state")).to_contain_text("8.0 of", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".fr-drop-state")).to_have_text(
        "Paused. Drop the same file or folder again to continue."
    )
    page.unroute_all()
    page.reload()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    drop(page, archive)
    expect_report(page)
    assert [run["name"] for run in api.rows("imports")].count("staff.zip") == 1
    pieces = [url.rpartition("offset=")[2] for url in sent if "/pieces?" in url]
    assert pieces == ["8388608"]


def test_file_that_is_no_archive_is_refused_on_the_page(
    open_page: OpenPage, api: Api, tmp_path: Path
) -> None:
    before = len(api.rows("imports"))
    (tmp_path / "photos.zip").write_bytes(b"not a zip " * 100)
    page = open_page(PAGE)
    drop(page, tmp_path / "photos.zip")
    expect(page.locator(".fr-drop-state")).to_have_text(
        "This is not a ZIP archive, or it is not complete.", timeout=PATIENCE_MS
    )
    assert len(api.rows("imports")) == before
