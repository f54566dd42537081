"""The main use, in a browser: a person steps in front of a camera and is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from ml_engine.images import decode_image, encode_jpeg
from tests.e2e.browsing import (
    PATIENCE_MS,
    StreamRecord,
    expect_present,
    present,
    start_camera,
    stop_camera,
    visits,
)
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api, Site
from tests.e2e.webcam import write_video, write_webcam

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(300)]
Photos = Callable[[str], bytes]


@pytest.fixture(scope="module")
def obama_cam(tmp_path_factory: pytest.TempPathFactory, sample_photo: Photos) -> Path:
    """Two photos of him that are never enrolled here."""
    path = tmp_path_factory.mktemp("webcam") / "obama.mjpeg"
    return write_webcam(path, sample_photo("obama2"), sample_photo("obama3"))


@pytest.fixture(scope="module")
def biden_cam(tmp_path_factory: pytest.TempPathFactory, sample_photo: Photos) -> Path:
    return write_webcam(tmp_path_factory.mktemp("webcam") / "biden.mjpeg", sample_photo("biden"))


@pytest.fixture(scope="module")
def both_cam(tmp_path_factory: pytest.TempPathFactory, sample_photo: Photos) -> Path:
    path = tmp_path_factory.mktemp("webcam") / "both.mjpeg"
    return write_webcam(path, [sample_photo("obama2"), sample_photo("biden")])


@pytest.fixture
def obama(api: Api, sample_photo: Photos) -> dict:
    return api.enrol("Barack Obama", sample_photo("obama"))


def test_enrolled_person_is_named_and_a_visit_is_one_event(
    open_page: OpenPage, api: Api, obama: dict, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    record = StreamRecord(page)
    start_camera(page)
    expect_present(page, "Barack Obama")
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#figures")).to_have_text(re.compile(r"[\d.]+ fps · \d+ ms · \d+ dropped"))
    expect(present(page, "Barack Obama")).to_contain_text(re.compile(r"0\.\d\d, needs 0\.\d\d"))
    expect(visits(page, "Barack Obama")).to_have_count(1, timeout=PATIENCE_MS)
    # The video shows both photos again and again.
    page.wait_for_timeout(8000)
    expect(visits(page)).to_have_count(1)
    expect(visits(page)).to_contain_text("here now")
    stop_camera(page)
    expect(visits(page)).to_contain_text(re.compile(r"\d+ s"), timeout=PATIENCE_MS)

    assert len(record.faces) > 20
    assert record.sent >= len(record.faces)
    assert 1 <= record.most_unanswered <= 2
    (event,) = api.rows("events")
    assert event["person"] == {"id": obama["id"], "name": "Barack Obama", "labels": []}
    assert event["decision"] == "match"
    assert event["similarity"] >= event["threshold"]
    assert _seconds(event) > 5
    assert min(decode_image(api.file(event["snapshot_url"])).shape[:2]) >= 300
    assert min(decode_image(api.file(event["face_url"])).shape[:2]) >= 60

    visits(page).get_by_role("link").click()
    expect(page.locator("body")).to_contain_text("Barack Obama")
    expect(page).to_have_url(re.compile(event["id"]))
    page.goto("/admin/events/event/")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page.locator("#result_list")).to_contain_text("Barack Obama")


def test_erased_person_leaves_an_open_page(
    open_page: OpenPage, api: Api, obama: dict, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    start_camera(page)
    card = visits(page, "Barack Obama")
    expect(card.locator("img")).to_have_count(1, timeout=PATIENCE_MS)
    stop_camera(page)
    expect(card).to_contain_text(re.compile(r"\d+ s"), timeout=PATIENCE_MS)
    api.delete(f"persons/{obama['id']}")
    expect(card).to_have_count(0)
    expect(visits(page)).to_have_count(1)
    expect(visits(page).locator("img")).to_have_count(0)
    (event,) = api.rows("events")
    api.delete(f"events/{event['id']}")
    expect(visits(page)).to_have_count(0)


def test_stranger_beside_a_known_person_is_unknown(
    open_page: OpenPage, api: Api, obama: dict, both_cam: Path
) -> None:
    page = open_page("/live/", webcam=both_cam)
    record = StreamRecord(page)
    start_camera(page)
    expect_present(page, "Barack Obama")
    expect_present(page, "Unknown")
    expect(visits(page, "Unknown")).to_have_count(1, timeout=PATIENCE_MS)
    expect(visits(page, "Barack Obama")).to_have_count(1, timeout=PATIENCE_MS)
    page.wait_for_timeout(3000)
    named = {(face["person"] or {}).get("name") for m in record.faces for face in m["faces"]}
    assert named == {"Barack Obama", None}
    # He is on the left, so his box must be there, too.
    boxes = {face["decision"]: face["box"] for face in record.faces[-1]["faces"]}
    assert boxes["match"][0] + boxes["match"][2] < 320 < boxes["unknown"][0]
    stop_camera(page)
    assert sorted(event["decision"] for event in api.rows("events")) == ["match", "unknown"]


def test_a_face_is_enrolled_in_two_clicks_and_known_from_then_on(
    open_page: OpenPage, api: Api, obama: dict, biden_cam: Path
) -> None:
    page = open_page("/live/", webcam=biden_cam)
    start_camera(page)
    expect_present(page, "Unknown")
    present(page, "Unknown").get_by_role("button", name="Enrol").click(timeout=PATIENCE_MS)
    dialog = page.get_by_role("dialog", name="Enrol this face")
    expect(dialog.locator(".enrol-face canvas")).to_be_visible()
    page.keyboard.type("Joe Biden")  # the field has the focus
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
    expect_present(page, "Joe Biden")
    expect(visits(page, "Joe Biden")).to_have_count(1, timeout=PATIENCE_MS)
    page.wait_for_timeout(2000)
    stop_camera(page)

    people = {person["name"]: person["id"] for person in api.rows("persons")}
    assert set(people) == {"Barack Obama", "Joe Biden"}
    assert len(api.rows(f"persons/{people['Joe Biden']}/images")) == 1
    (event,) = api.rows("events")
    named = {"id": people["Joe Biden"], "name": "Joe Biden", "labels": []}
    assert event["person"] == named


def test_face_in_the_picture_is_enrolled_as_a_known_person(
    open_page: OpenPage, api: Api, sample_photo: Photos, obama_cam: Path
) -> None:
    """A click on the face itself, and a choice from the list."""
    biden = api.enrol("Joe Biden", sample_photo("biden"))
    page = open_page("/live/", webcam=obama_cam)
    record = StreamRecord(page)
    start_camera(page)
    present(page, "Unknown").get_by_role("button", name="Enrol").wait_for(timeout=PATIENCE_MS)
    _click_face(page, record)
    field = page.get_by_role("combobox", name="Who is this?")
    field.press_sequentially("bid")
    option = page.get_by_role("option", name="Joe Biden")
    expect(option).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("Joe Biden")
    expect(page.locator(".enrol-hint")).to_contain_text("already enrolled")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect_present(page, "Joe Biden")
    assert [person["id"] for person in api.rows("persons")] == [biden["id"]]
    assert len(api.rows(f"persons/{biden['id']}/images")) == 2


def test_user_who_may_not_enrol_sees_no_button(
    open_page: OpenPage, obama: dict, biden_cam: Path
) -> None:
    page = open_page("/live/", webcam=biden_cam, user="viewer")
    start_camera(page)
    expect(visits(page, "Unknown")).to_have_count(1, timeout=PATIENCE_MS)
    expect_present(page, "Unknown")
    expect(page.get_by_role("button", name="Enrol")).to_have_count(0)


def test_live_page_reconnects_after_a_crash_of_the_server(
    open_page: OpenPage, site: Site, obama: dict, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    record = StreamRecord(page)
    start_camera(page)
    expect_present(page, "Barack Obama")
    site.kill()
    try:
        expect(page.locator("#state")).to_have_text("Reconnecting…", timeout=PATIENCE_MS)
        expect(page.locator("#feed-state")).to_contain_text("reconnecting")
        expect(present(page, "Barack Obama")).to_have_count(0)
        page.wait_for_timeout(1500)
    finally:
        site.start()
    site.await_ready()
    expect_present(page, "Barack Obama")
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#feed-state")).to_have_text("")
    assert record.connections >= 2


def test_page_shows_that_live_notices_are_away_until_they_are_back(open_page: OpenPage) -> None:
    page = open_page("/live/")
    away: list[WebSocketRoute] = []
    is_back = False

    def on_socket(socket: WebSocketRoute) -> None:
        if is_back:
            socket.connect_to_server()
        else:
            away.append(socket)
            socket.close(code=4503, reason="Live notices are away; try again.")

    page.route_web_socket("/ws/events/", on_socket)
    page.reload()
    words = expect(page.locator("#feed-state"))
    words.to_contain_text("live notices are away", timeout=PATIENCE_MS)
    page.wait_for_timeout(7000)
    # It tries again, but not all the time; the list that it loads meanwhile changes no word.
    assert 2 <= len(away) <= 3
    words.to_contain_text("live notices are away")
    is_back = True
    words.to_have_text("", timeout=PATIENCE_MS)


def test_live_page_waits_for_an_engine_that_warms_up(open_page: OpenPage, obama_cam: Path) -> None:
    page = open_page("/live/", webcam=obama_cam)
    sockets: list[WebSocketRoute] = []
    answer = {"type": "faces", "size": [640, 480], "faces": [], "timing_ms": {}, "dropped": 0}
    frames = count()

    def on_message(message: str | bytes) -> None:
        if isinstance(message, str):
            say(type="status", state="warming_up", message="")
        else:
            say(**answer, frame=next(frames))

    def say(**message: object) -> None:
        sockets[-1].send(json.dumps(message))

    def on_socket(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.on_message(on_message)

    page.route_web_socket("/ws/live/", on_socket)
    parts = {"engine": "warming_up"}
    page.route("**/health/ready", lambda route: route.fulfill(json={"parts": parts}))
    page.reload()
    start_camera(page)
    expect(page.locator("#state")).to_have_text("Warming up…", timeout=PATIENCE_MS)
    expect(page.locator("#stage-message")).to_contain_text("goes on by itself")
    parts["engine"] = "ok"
    say(type="session.started", session="1", model="m", device="cpu")
    expect(page.locator("#state")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(page.locator("#present")).to_have_text("No face in the picture")


def test_picture_without_light_is_said_to_be_too_dark(open_page: OpenPage, tmp_path: Path) -> None:
    night = encode_jpeg(np.zeros((480, 640, 3), np.uint8))
    page = open_page("/live/", webcam=write_webcam(tmp_path / "night.mjpeg", night))
    start_camera(page)
    expect(page.locator("#state")).to_have_text("Too dark to see faces", timeout=PATIENCE_MS)


def test_live_page_continues_after_a_reload(
    open_page: OpenPage, obama: dict, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    start_camera(page)
    expect_present(page, "Barack Obama")
    page.reload()
    expect_present(page, "Barack Obama")


def test_a_blocked_camera_is_explained(open_page: OpenPage, api: Api) -> None:
    page = open_page("/live/", allow_camera=False)
    start_camera(page)
    message = page.locator("#stage-message")
    expect(message.get_by_role("heading")).to_have_text("The camera is blocked")
    expect(message).to_contain_text("address bar")
    expect(message.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#run")).to_have_text("Start")


def test_other_camera_errors_are_explained(open_page: OpenPage) -> None:
    page = open_page("/live/")
    headings = {
        "NotFoundError": "No camera was found",
        "NotReadableError": "The camera is in use",
        "TypeError": "The camera does not start",
    }
    for error, heading in headings.items():
        page.evaluate(
            "name => navigator.mediaDevices.getUserMedia = () =>"
            " Promise.reject(new DOMException('no', name))",
            error,
        )
        start_camera(page)
        expect(page.locator("#stage-message").get_by_role("heading")).to_have_text(heading)


def test_plain_http_from_another_machine_is_explained(open_page: OpenPage) -> None:
    """There, browsers have no cameras at all."""
    page = open_page("/live/")
    hide = "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
    page.add_init_script(hide)
    page.reload()
    start_camera(page)
    message = page.locator("#stage-message")
    expect(message.get_by_role("heading")).to_have_text("The camera needs a safe address")
    expect(message).to_contain_text("HTTPS=1")


def test_unplugged_camera_is_reported_on_the_page(
    open_page: OpenPage, obama: dict, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    start_camera(page)
    expect_present(page, "Barack Obama")
    page.evaluate(
        "document.getElementById('video').srcObject.getVideoTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    heading = page.locator("#stage-message").get_by_role("heading")
    expect(heading).to_have_text("The camera is gone")
    expect(page.locator("#present li.present-face")).to_have_count(0)


def test_sign_out_elsewhere_leads_to_the_sign_in_page(
    open_page: OpenPage, site: Site, obama_cam: Path
) -> None:
    page = open_page("/live/", webcam=obama_cam)
    page.context.clear_cookies()
    start_camera(page)
    message = page.locator("#stage-message")
    expect(message).to_contain_text("You have been signed out", timeout=PATIENCE_MS)
    message.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/accounts/login/?next=%2Flive%2F")


def test_a_camera_of_the_server_is_watched(
    open_page: OpenPage, site: Site, api: Api, obama: dict, sample_photo: Photos
) -> None:
    videos = site.folder / "videos"
    videos.mkdir(exist_ok=True)
    write_video(videos / "door.mp4", sample_photo("obama3"))
    values = {"name": "Front door", "kind": "file", "address": "door.mp4"}
    camera = api.post("cameras", json=values)
    page = open_page("/live/")
    page.locator("#source").select_option(label="Front door")
    start_camera(page)
    expect_present(page, "Barack Obama")
    expect(page.locator("#state")).to_have_text("Live")
    expect(visits(page, "Barack Obama").first).to_contain_text("Front door", timeout=PATIENCE_MS)
    stop_camera(page)
    # An address can name the camera.
    page.goto(f"/live/?cameras={camera['id']}")
    expect_present(page, "Barack Obama")


def test_collections_are_offered_if_there_are_several(open_page: OpenPage, api: Api) -> None:
    page = open_page("/live/")
    expect(page.locator("#run")).to_be_enabled()
    expect(page.locator("#collection")).to_be_hidden()
    other = api.post("collections", json={"name": "Visitors"})
    try:
        page.reload()
        expect(page.locator("#collection")).to_be_visible()
        expect(page.locator("#collection option")).to_have_text(["Main", "Visitors"])
    finally:
        api.delete(f"collections/{other['id']}")


def _click_face(page: Page, record: StreamRecord) -> None:
    """In the middle of the only face; the picture is fitted into its place."""
    answer = record.faces[-1]
    left, top, width, height = answer["faces"][0]["box"]
    place = page.locator("#boxes").bounding_box()
    assert place is not None
    scale = min(place["width"] / answer["size"][0], place["height"] / answer["size"][1])
    x = (place["width"] - answer["size"][0] * scale) / 2 + (left + width / 2) * scale
    y = (place["height"] - answer["size"][1] * scale) / 2 + (top + height / 2) * scale
    page.mouse.click(place["x"] + x, place["y"] + y)


def _seconds(event: dict) -> float:
    started, ended = (datetime.fromisoformat(event[key]) for key in ("started_at", "ended_at"))
    return (ended - started).total_seconds()
