"""What people do on the pages, in a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.e2e.site import PASSWORD

WINDOW = (1280, 800)
PHONE = (360, 740)
# The machine may be busy with other things; nothing here measures speed.
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
    """Who is in the picture now."""
    return page.locator("#present li.present-face", has_text=name)


def visits(page: Page, name: str | None = None) -> Locator:
    cards = page.locator("#feed li.visit")
    return cards.filter(has_text=name) if name else cards


def expect_present(page: Page, name: str) -> None:
    expect(present(page, name)).to_be_visible(timeout=PATIENCE_MS)


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


class StreamRecord:
    """What went over the page's `/ws/live/`, in order."""

    def __init__(self, page: Page) -> None:
        self.sent = 0
        self.most_unanswered = 0
        self.faces: list[dict[str, Any]] = []
        self.connections = 0
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        if not socket.url.endswith("/ws/live/"):
            return
        self.connections += 1
        self.sent = self._answered = 0
        socket.on("framesent", self._on_sent)
        socket.on("framereceived", self._on_received)

    def _on_sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.sent += 1
            self.most_unanswered = max(self.most_unanswered, self.sent - self._answered)

    def _on_received(self, payload: str | bytes) -> None:
        message = json.loads(payload)
        if message["type"] == "faces":
            self.faces.append(message)
            self._answered = message["frame"] + 1
