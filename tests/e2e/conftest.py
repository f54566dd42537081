"""A real browser in front of the real site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    sync_playwright,
)

from tests.e2e.browsing import WINDOW, chromium_arguments, sign_in
from tests.e2e.site import PASSWORD, Api, Site
from tools.system import CHROMIUM_NAMES, find_program

OpenPage = Callable[..., Page]
# Errors of scripts of the admin's theme do not count.
OUR_SCRIPTS = tuple(
    f"/static/{app}/"
    for app in ("web", "live", "people", "bulk", "jobs", "training", "events", "cameras")
)


# Of the package and not of the session: its cameras would play on during all other tests.
@pytest.fixture(scope="package")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    weights = tmp_path_factory.mktemp("weights")  # with links, because tests add models
    for path in Path(site_settings.WEIGHTS_DIR).iterdir():
        (weights / path.name).symlink_to(path.resolve())
    site = Site(tmp_path_factory.mktemp("site"), weights)
    site.prepare()
    site.hand.make("viewer", password=PASSWORD)
    site.start()
    try:
        site.await_ready()
        yield site
    finally:
        site.close()


@pytest.fixture(scope="package")
def _api(_site: Site) -> Api:
    return Api(_site)


@pytest.fixture
def site(_site: Site, _api: Api) -> Site:
    """A running site without people and events."""
    _api.forget_everything()
    return _site


@pytest.fixture
def api(site: Site, _api: Api) -> Api:
    return _api


@pytest.fixture(scope="package")
def _chromiums() -> Iterator[Chromiums]:
    with sync_playwright() as playwright:
        yield Chromiums(playwright)


class Chromiums:
    """Browsers, and who is signed in. One browser serves all tests that need no camera of their
    own, because its start costs more than most tests; each page has its own context."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._shared: Browser | None = None
        self._own: list[Browser] = []
        # Cookies by user, so that a test signs in by the form only if the session is over.
        self._cookies: dict[str, list[Any]] = {}

    def browser(self, webcam: Path | None, *, allow_camera: bool) -> Browser:
        if webcam is None and allow_camera:
            self._shared = self._shared or self._launch(None, allow_camera=True)
            return self._shared
        self._own.append(self._launch(webcam, allow_camera=allow_camera))
        return self._own[-1]

    def open(self, page: Page, path: str, user: str | None) -> None:
        if user is not None:
            page.context.add_cookies(self._cookies.get(user, []))
        page.goto(path)
        if user is not None and "/accounts/login/" in page.url:
            sign_in(page, user, next_path=path)
            self._cookies[user] = page.context.cookies()

    def close_own(self) -> None:
        while self._own:
            self._own.pop().close()

    def _launch(self, webcam: Path | None, *, allow_camera: bool) -> Browser:
        return self._playwright.chromium.launch(
            executable_path=find_program(*CHROMIUM_NAMES),
            args=chromium_arguments(webcam, allow_camera=allow_camera),
        )


@pytest.fixture
def open_page(site: Site, _chromiums: Chromiums) -> Iterator[OpenPage]:
    """A function that opens `path` in a browser window with its own cookies, signed in.

    webcam: the MJPEG file that its camera shows; allow_camera: does the person say yes? user: None
    to stay signed out. Errors of our scripts, and what the pages' policy forbids, fail the test.
    """
    errors: list[str] = []
    forbidden: list[str] = []
    contexts: list[BrowserContext] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            forbidden.append(message.text)

    def open_(
        path: str,
        *,
        webcam: Path | None = None,
        allow_camera: bool = True,
        user: str | None = "admin",
        window: tuple[int, int] = WINDOW,
        **options: Any,
    ) -> Page:
        browser = _chromiums.browser(webcam, allow_camera=allow_camera)
        size: Any = {"width": window[0], "height": window[1]}
        context = browser.new_context(viewport=size, base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        page.on("console", hear)
        _chromiums.open(page, path, user)
        return page

    yield open_
    for context in contexts:
        context.close()
    _chromiums.close_own()
    assert forbidden == []
    assert [error for error in errors if any(path in error for path in OUR_SCRIPTS)] == []
