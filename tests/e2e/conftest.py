"""A real browser in front of the real site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.e2e.browsing import WINDOW, chromium_arguments, sign_in
from tests.e2e.site import Api, Site
from tools.system import CHROMIUM_NAMES, find_program

OpenPage = Callable[..., Page]
# Errors of scripts of the admin's theme do not count.
OUR_SCRIPTS = tuple(
    f"/static/{app}/" for app in ("web", "live", "people", "bulk", "jobs", "events", "cameras")
)


# Of the package and not of the session: its cameras would play on during all other tests.
@pytest.fixture(scope="package")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), Path(site_settings.WEIGHTS_DIR))
    site.prepare()
    site.add_viewer()
    site.start()
    try:
        site.await_ready()
        yield site
    finally:
        site.stop()


@pytest.fixture
def site(_site: Site) -> Site:
    """A running site without people and events."""
    Api(_site).forget_everything()
    return _site


@pytest.fixture
def api(site: Site) -> Api:
    return Api(site)


@pytest.fixture
def open_page(site: Site) -> Iterator[OpenPage]:
    """A function that opens a browser of its own, signs in, and goes to `path`.

    webcam: the MJPEG file that its camera shows; allow_camera: does the person say yes? user: None
    to stay signed out. Errors of our scripts, and what the pages' policy forbids, fail the test.
    """
    errors: list[str] = []
    forbidden: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            forbidden.append(message.text)

    browsers: list[Browser] = []
    with sync_playwright() as playwright:

        def open_(
            path: str,
            *,
            webcam: Path | None = None,
            allow_camera: bool = True,
            user: str | None = "admin",
            window: tuple[int, int] = WINDOW,
            **context: Any,
        ) -> Page:
            browser = playwright.chromium.launch(
                executable_path=find_program(*CHROMIUM_NAMES),
                args=chromium_arguments(webcam, allow_camera=allow_camera),
            )
            browsers.append(browser)
            size: Any = {"width": window[0], "height": window[1]}
            page = browser.new_context(viewport=size, base_url=site.url, **context).new_page()
            page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
            page.on("console", hear)
            if user is not None:
                sign_in(page, user, next_path=path)
            else:
                page.goto(path)
            return page

        yield open_
        for browser in browsers:
            browser.close()
    assert forbidden == []
    assert [error for error in errors if any(path in error for path in OUR_SCRIPTS)] == []
