"""Steps that users do on pages, as functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.e2e.site import PASSWORD

WINDOW = (1280, 800)
PHONE = (360, 740)
# Long, because the machine may be busy; these tests do not measure speed.
PATIENCE_MS = 45_000


def chromium_arguments(webcam: Path | None, *, allow_camera: bool) -> list[str]:
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-fake-device-for-media-stream",
    ]
    if allow_camera:
        arguments.append("--use-fake-ui-for-media-stream")
    if webcam is not None:
        arguments.append(f"--use-file-for-fake-video-capture={webcam}")
    return arguments


def sign_in(page: Page, user: str, *, next_path: str = "/live/") -> None:
    page.goto(next_path)
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{next_path}")


def start_camera(page: Page) -> None:
    page.locator("#run").click()


def stop_camera(page: Page) -> None:
    page.locator("#run").click()
    expect(page.locator("#state")).to_have_text("Stopped")


def present(page: Page, name: str) -> Locator:
    """The chip of a person who is in the picture now."""
    return page.locator("#present li.present-face", has_text=name)


def visits(page: Page, name: str | None = None) -> Locator:
    cards = page.locator("#feed li.visit")
    return cards.filter(has_text=name) if name else cards


def expect_present(page: Page, name: str) -> None:
    expect(present(page, name)).to_be_visible(timeout=PATIENCE_MS)


def overflow_px(page: Page) -> int:
    """The number of pixels by which the page is wider than its window. On a phone
    `window.innerWidth` grows with a page that is too wide, so the width is that of the test."""
    assert page.viewport_size is not None
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width - page.viewport_size["width"]


class StreamRecord:
    """What comes over the page's `/ws/live/`, and how many frames were unanswered at a time.

    Made before the camera starts. Playwright does not tell of frames that are sent as a Blob, so
    those are counted within the page.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.faces: list[dict[str, Any]] = []
        self.connections = 0
        page.on("websocket", self._opened)
        page.evaluate(_COUNT_FRAMES)

    @property
    def sent(self) -> int:
        return self._page.evaluate("frameCount.sent")

    @property
    def most_unanswered(self) -> int:
        return self._page.evaluate("frameCount.mostUnanswered")

    def _opened(self, socket: WebSocket) -> None:
        if socket.url.endswith("/ws/live/"):
            self.connections += 1
            socket.on("framereceived", self._on_received)

    def _on_received(self, payload: str | bytes) -> None:
        message = json.loads(payload)
        if message["type"] == "faces":
            self.faces.append(message)


_COUNT_FRAMES = """() => {
    window.frameCount = {sent: 0, mostUnanswered: 0};
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        if (typeof data !== "string") {
            this.answered ??= watch(this);
            frameCount.sent += 1;
            this.sent = (this.sent ?? 0) + 1;
            const unanswered = this.sent - this.answered.count;
            frameCount.mostUnanswered = Math.max(frameCount.mostUnanswered, unanswered);
        }
        return send.call(this, data);
    };
    function watch(socket) {
        const answered = {count: 0};
        socket.addEventListener("message", ({data}) => {
            const message = JSON.parse(data);
            if (message.type === "faces") answered.count = message.frame + 1;
        });
        return answered;
    }
}"""
