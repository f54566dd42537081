"""A browser that shows a camera, and when it drew each frame."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.cameras.rig import PASSWORD, USER
from ml_engine.types import EngineError
from tools.system import CHROMIUM_NAMES, find_program

if TYPE_CHECKING:
    from playwright.sync_api import Page

_TRIES = 30
_FIRST_FRAMES, _DRAWN_WITHIN_S = 5, 120.0
_SETTLES_MS = 5000
# Each message with faces is drawn once, in order. The time is that of the browser's next frame.
_NOTE_FRAMES = """(() => {
    const heard = [];
    window.drawnFrames = [];
    window.WebSocket = class extends WebSocket {
        constructor(...options) {
            super(...options);
            this.addEventListener("message", ({data}) => {
                const message = typeof data === "string" ? JSON.parse(data) : {};
                if (message.type === "faces") heard.push(message.frame);
            });
        }
    };
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (picture, ...place) {
        draw.call(this, picture, ...place);
        if (!(picture instanceof ImageBitmap) || !heard.length) return;
        const frame = heard.shift();
        requestAnimationFrame(() => drawnFrames.push([frame, performance.now()]));
    };
})()"""


def drawn_on_page(url: str, camera: str, seconds: float) -> list[tuple[int, float]]:
    """Number of each frame, and the time of `time.monotonic` when it was drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_program(*CHROMIUM_NAMES), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        _sign_in(page, url)
        page.add_init_script(_NOTE_FRAMES)
        page.goto(f"{url}/live/?cameras={camera}")
        _await_frames(page)
        page.wait_for_timeout(_SETTLES_MS)
        page.evaluate("drawnFrames.length = 0")
        page.wait_for_timeout(seconds * 1000)
        drawn = page.evaluate("drawnFrames.splice(0)")
        offset_s = _clock_offset_s(page)
        browser.close()
    return [(frame, ms / 1000 + offset_s) for frame, ms in drawn]


def _sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/live/")
    page.get_by_label("User name").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/live/")


def _await_frames(page: Page) -> None:
    # The policy of the page forbids `wait_for_function`.
    deadline = time.monotonic() + _DRAWN_WITHIN_S
    while page.evaluate("drawnFrames.length") < _FIRST_FRAMES:
        if time.monotonic() > deadline:
            raise EngineError("the page shows no camera")
        page.wait_for_timeout(200)


def _clock_offset_s(page: Page) -> float:
    """To add to the clock of the page: by the quickest of several questions."""
    found = []
    for _ in range(_TRIES):
        before_s = time.monotonic()
        page_ms = page.evaluate("performance.now()")
        after_s = time.monotonic()
        found.append((after_s - before_s, (before_s + after_s) / 2 - page_ms / 1000))
    return min(found)[1]
