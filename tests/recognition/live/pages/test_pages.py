"""The pages as the server sends them; tests/e2e tests them in a browser."""

from __future__ import annotations

import posixpath
import re
from uuid import uuid4

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from tests.callers import PageClient
from tests.factories import Role, make_camera, make_user

pytestmark = pytest.mark.django_db
PAGES = ("live", "try", "help")


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(make_user(Role.VIEWER, username="vera"))
    return client


def _html(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_home_leads_to_the_live_page(client: Client) -> None:
    assert client.get("/").headers["Location"] == reverse("live")


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_is_sent_to_sign_in_and_back(client: Client, name: str) -> None:
    page = reverse(name)
    assert client.get(page).headers["Location"] == f"{reverse('login')}?next={page}"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_see_the_pages(client: Client, name: str, role: str) -> None:
    client.force_login(make_user(role))
    assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_not_kept_by_caches(signed_in: Client, name: str) -> None:
    assert "no-store" in signed_in.get(reverse(name)).headers["Cache-Control"]


@pytest.mark.parametrize("name", PAGES)
def test_page_shows_navigation_and_account(signed_in: Client, name: str) -> None:
    html = _html(signed_in, reverse(name))
    changelists = ("admin:events_event_changelist", "admin:people_person_changelist")
    own = ("live", "try", "help", "docs", "admin:index", "admin:password_change")
    for target in (*own, *changelists):
        assert f'href="{reverse(target)}"' in html
    assert f'<form method="post" action="{reverse("logout")}">' in html
    assert "vera" in html


def test_page_of_a_camera_offers_what_its_viewer_may_do(client: Client) -> None:
    camera = make_camera(name="Front <door>")
    page = reverse("camera-page", args=[camera.pk])
    edit = reverse("admin:cameras_camera_change", args=[camera.pk])
    for role in Role:
        client.force_login(make_user(role))
        html = _html(client, page)
        assert "Front &lt;door&gt;" in html
        is_administrator = role == Role.ADMINISTRATOR
        assert (edit in html) == (" data-may-edit" in html) == is_administrator


def test_page_of_a_camera_that_is_gone_is_not_there(signed_in: Client) -> None:
    assert signed_in.get(reverse("camera-page", args=[uuid4()])).status_code == 404


def test_signing_out_needs_a_post(signed_in: Client) -> None:
    assert signed_in.get(reverse("logout")).status_code == 405
    assert signed_in.post(reverse("logout")).headers["Location"] == reverse("login")
    assert signed_in.get(reverse("live")).status_code == 302


@pytest.mark.parametrize("path", ["/live/", "/try/", "/accounts/login/", "/nothing/here"])
def test_no_script_or_style_stands_in_the_page(client: Client, path: str) -> None:
    """So that a content security policy needs no exceptions."""
    if path in ("/live/", "/try/"):
        client.force_login(make_user())
    html = client.get(path).content.decode()
    assert "<html" in html
    assert "<style" not in html
    assert not re.search(r"\s(style|on\w+)=", html)
    assert all('src="' in tag for tag in re.findall(r"<script[^>]*>", html))


@pytest.mark.parametrize("name", [*PAGES, "camera-page"])
def test_scripts_and_what_they_import_are_there(signed_in: Client, name: str) -> None:
    rows = [make_camera().pk] if name == "camera-page" else []
    html = _html(signed_in, reverse(name, args=rows))
    files = re.findall(r'(?:src|href)="/static/([^"]+)"', html)
    assert "web/theme.js" in files
    for file in files:
        assert finders.find(file), file
    modules = [file for file in files if file.endswith(".js")]
    seen: set[str] = set()
    while modules:
        module = modules.pop()
        found = finders.find(module)
        assert isinstance(found, str), module
        seen.add(module)
        with open(found, encoding="utf-8") as opened:  # noqa: PTH123
            source = opened.read()
        imported = re.findall(r'^(?!/\*\*).*(?:from|new URL\()\s*"(\.\.?/[\w./]+)"', source, re.M)
        files = [posixpath.normpath(f"{posixpath.dirname(module)}/{file}") for file in imported]
        modules += [file for file in files if file not in seen]


def test_missing_pages_have_the_look_and_programs_get_json(client: Client) -> None:
    page = client.get("/nothing/here")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()
    assert client.get("/api/v1/nothing").json()["error"]["code"] == "not_found"


def test_a_form_without_its_token_is_explained() -> None:
    client = PageClient(enforce_csrf_checks=True)
    response = client.post(reverse("login"), {"username": "a", "password": "b"})
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_server_errors_have_the_look(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret of the inside")

    client.force_login(make_user())
    client.raise_request_exception = False
    monkeypatch.setattr("recognition.live.pages.views.render", fail)
    response = client.get(reverse("live"))
    assert response.status_code == 500
    html = response.content.decode()
    assert "Something went wrong here" in html
    assert "secret" not in html
