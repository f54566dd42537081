"""One photo is searched for everybody in it, two are compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, expect

from ml_engine.images import decode_image, encode_jpeg
from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api
from tests.e2e.webcam import side_by_side

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
Photos = Callable[[str], bytes]


def _choose(page: Page, **photos: bytes) -> None:
    files: list[FilePayload] = [
        {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": data}
        for name, data in photos.items()
    ]
    page.locator("#files").set_input_files(files)


def _answer(page: Page) -> dict:
    expect(page.locator("#json")).to_be_visible(timeout=PATIENCE_MS)
    return json.loads(page.locator("#json-text").text_content() or "")


def test_every_person_in_a_photo_is_named(
    open_page: OpenPage, api: Api, sample_photo: Photos
) -> None:
    api.enrol("Barack Obama", sample_photo("obama"))
    page = open_page("/try/")
    _choose(page, group=encode_jpeg(side_by_side(sample_photo("obama2"), sample_photo("biden"))))
    expect(page.get_by_role("heading", name="2 faces: 1 named, 1 unknown")).to_be_visible(
        timeout=PATIENCE_MS
    )
    obama = page.locator(".face-card", has_text="Match")
    expect(obama.get_by_role("heading", level=3)).to_have_text("Barack Obama")
    expect(obama).to_contain_text(re.compile(r"Similarity 0\.\d\d, needs 0\.\d\d"))
    expect(obama.locator(".candidates li")).to_have_count(1)
    # The picture of the enrolled image that matched is shown.
    expect(obama.locator(".candidates img")).to_have_js_property("complete", value=True)
    assert obama.locator(".candidates img").evaluate("image => image.naturalWidth") > 0
    expect(obama).to_contain_text(re.compile(r"Quality [01]\.\d\d"))
    expect(page.locator(".face-card", has_text="Unknown")).to_have_count(1)

    answer = _answer(page)
    assert sorted(face["decision"] for face in answer["faces"]) == ["match", "unknown"]
    assert api.rows("events") == []


def test_the_answer_can_be_read_and_copied(open_page: OpenPage, sample_photo: Photos) -> None:
    page = open_page("/try/", permissions=["clipboard-read", "clipboard-write"])
    _choose(page, someone=sample_photo("biden"))
    answer = _answer(page)
    page.get_by_text("The answer as JSON").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#toasts")).to_have_text("Copied")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == answer


def test_comparing_two_photos_shows_the_verdict(open_page: OpenPage, sample_photo: Photos) -> None:
    page = open_page("/try/")
    _choose(page, a=sample_photo("obama"), b=sample_photo("obama3"))
    expect(page.get_by_role("heading", name="The same person", exact=True)).to_be_visible(
        timeout=PATIENCE_MS
    )
    expect(page.locator(".verdict canvas")).to_have_count(2)
    expect(page.locator(".pair canvas")).to_have_count(2)
    assert _answer(page)["decision"] == "match"
    _choose(page, a=sample_photo("obama"), b=sample_photo("biden"))
    expect(page.get_by_role("heading", name="Not the same person")).to_be_visible(
        timeout=PATIENCE_MS
    )


def test_second_photo_can_be_added_to_compare(
    open_page: OpenPage, sample_photo: Photos, tmp_path: Path
) -> None:
    page = open_page("/try/")
    _choose(page, a=sample_photo("obama"))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Compare with another photo").click(timeout=PATIENCE_MS)
    other = tmp_path / "other.jpg"
    other.write_bytes(sample_photo("obama2"))
    chooser.value.set_files(other)
    expect(page.get_by_role("heading", name="The same person", exact=True)).to_be_visible(
        timeout=PATIENCE_MS
    )


def test_a_photo_can_be_dropped_anywhere(open_page: OpenPage, sample_photo: Photos) -> None:
    page = open_page("/try/")
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "dropped.jpg", {type: "image/jpeg"});
            transfer.items.add(file);
            return transfer;
        }""",
        list(sample_photo("obama")),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.get_by_role("heading", name=re.compile("1 face"))).to_be_visible(
        timeout=PATIENCE_MS
    )


def test_boxes_lie_on_the_face_of_a_photo_that_the_camera_turned(
    open_page: OpenPage, sample_photo: Photos
) -> None:
    """A photo with an EXIF rotation: the API and the page must turn it in the same way."""
    page = open_page("/try/")
    _choose(page, turned=_turned_with_exif(sample_photo("obama")))
    answer = _answer(page)
    width, height = answer["size"]
    assert height > width
    expect(page.locator(".photo canvas")).to_have_css("aspect-ratio", f"{width} / {height}")
    assert len(answer["faces"]) == 1
    # The crop on the card must equal the same box of the upright photo.
    cut = page.locator(".face-card canvas.crop").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 192, 192).data]"
    )
    shown = np.array(cut, np.float32).reshape(192, 192, 4)[..., :3]
    left, top, wide, high = answer["faces"][0]["box"]
    side = max(wide, high) * 1.35
    x, y = left + (wide - side) / 2, top + (high - side) / 2
    upright = decode_image(sample_photo("obama")).astype(np.float32)
    expected = cv2.warpAffine(
        upright,
        np.array([[192 / side, 0, -x * 192 / side], [0, 192 / side, -y * 192 / side]]),
        (192, 192),
    )
    correlation = np.corrcoef(shown.ravel(), expected.ravel())[0, 1]
    assert correlation > 0.95


def test_file_that_is_no_picture_is_refused_with_the_api_message(open_page: OpenPage) -> None:
    page = open_page("/try/")
    _choose(page, text=b"this is no picture")
    alert = page.locator("#result").get_by_role("alert")
    expect(alert).to_be_visible(timeout=PATIENCE_MS)
    expect(alert).to_contain_text(re.compile("picture|image", re.IGNORECASE))
    expect(page.locator("#json")).to_be_hidden()


def test_try_page_says_if_a_photo_has_no_face(open_page: OpenPage) -> None:
    page = open_page("/try/")
    _choose(page, wall=encode_jpeg(np.full((300, 400, 3), 150, np.uint8)))
    expect(page.get_by_role("heading", name="No face was found")).to_be_visible(timeout=PATIENCE_MS)


def _turned_with_exif(photo: bytes) -> bytes:
    """The picture lying on its side, with the note that it is to be turned back (orientation 6)."""
    lying = encode_jpeg(np.ascontiguousarray(np.rot90(decode_image(photo))), 95)
    # One big-endian IFD with one entry: tag 0x0112, type SHORT, count 1, value 6.
    ifd = bytes.fromhex("4d4d002a00000008000101120003000000010006000000000000")
    body = b"Exif\0\0" + ifd
    return lying[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + lying[2:]
