"""A picture of many people: no label covers a face, and the list is no longer than two screens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from ml_engine.images import encode_jpeg
from tests.e2e.browsing import PATIENCE_MS, PHONE, WINDOW
from tests.e2e.conftest import OpenPage
from tests.fakes import portrait

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]
ROWS, COLUMNS, STEP_PX, FACE_PX = 5, 9, 150, 80
# The last drawing of the page: boxes are strokes, labels are filled.
_RECORD = """
window.drawn = {labels: [], boxes: []};
const canvas = CanvasRenderingContext2D.prototype;
const {roundRect, fill, stroke, setTransform} = canvas;
let last = [];
canvas.roundRect = function (...args) {
    last = args.slice(0, 4);
    return roundRect.apply(this, args);
};
canvas.fill = function (...args) { drawn.labels.push(last); return fill.apply(this, args); };
canvas.stroke = function (...args) { drawn.boxes.push(last); return stroke.apply(this, args); };
canvas.setTransform = function (...args) {
    window.drawn = {labels: [], boxes: []};
    return setTransform.apply(this, args);
};
"""


def _answer(step_px: int) -> dict[str, Any]:
    """45 faces, every second one named."""
    faces = []
    for number in range(ROWS * COLUMNS):
        x, y = (number % COLUMNS) * step_px + 20, (number // COLUMNS) * step_px + 20
        is_known = number % 2 == 0
        person: dict[str, Any] = {
            "id": str(number),
            "name": f"Person Number {number}",
            "labels": [],
            "external_id": None,
        }
        faces.append({
            "box": [x, y, FACE_PX, FACE_PX], "landmarks": [], "score": 1.0, "turned": 0,
            "quality": None,
            "decision": "match" if is_known else "unknown",
            "person": person if is_known else None, "similarity": 0.7 if is_known else 0.1,
            "threshold": 0.4, "false_match_rate": 1e-6, "image": None, "candidates": [],
        })  # fmt: skip
    return {"size": [COLUMNS * step_px, ROWS * step_px], "collection": "", "model": "m",
            "threshold": 0.4, "faces": faces, "timing_ms": {"total": 1}}  # fmt: skip


def _overlap(a: list[float], b: list[float]) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high)


def _show(page: Page, step_px: int) -> None:
    answer = json.dumps(_answer(step_px))

    def fulfil(route: Route) -> None:
        route.fulfill(body=answer, content_type="application/json")

    page.route("**/api/v1/identify", fulfil)
    data = encode_jpeg(portrait(1), 80)
    photo: FilePayload = {"name": "crowd.jpg", "mimeType": "image/jpeg", "buffer": data}
    page.locator("#files").set_input_files([photo])
    expect(page.locator(".face-card")).to_have_count(ROWS * COLUMNS, timeout=PATIENCE_MS)
    page.wait_for_timeout(500)


# Close together, but with enough space for some labels.
@pytest.mark.parametrize("step_px", [STEP_PX, 3 * STEP_PX])
@pytest.mark.parametrize("window", [WINDOW, PHONE])
def test_crowd_has_no_label_on_a_face_and_a_short_list(
    open_page: OpenPage, window: tuple[int, int], step_px: int
) -> None:
    page = open_page("/help/", window=window)
    page.add_init_script(_RECORD)
    page.goto("/try/")
    _show(page, step_px)
    drawn = page.evaluate("drawn")
    assert len(drawn["boxes"]) >= ROWS * COLUMNS
    covered = [(a, b) for a in drawn["labels"] for b in drawn["boxes"] if _overlap(a, b) > 1]
    assert not covered
    assert page.evaluate("document.documentElement.scrollHeight") < 2.2 * window[1]
