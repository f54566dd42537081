from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "pass-word-1"


@pytest.fixture
def user() -> User:
    return make_user(username="otto")


def _sign_in(client: Client, password: str = PASSWORD, **more: str) -> Any:
    return client.post(reverse("login"), {"username": "otto", "password": password, **more})


def test_sign_in_page_leads_to_the_live_page(client: Client, user: User) -> None:
    assert _sign_in(client).headers["Location"] == reverse("live")


def test_next_address_is_kept_after_a_failed_sign_in(client: Client, user: User) -> None:
    html = _sign_in(client, "wrong", next="/try/?a=b").content.decode()
    assert 'name="next" value="/try/?a=b"' in html
    assert 'role="alert"' in html
    assert 'value="otto"' in html
    assert _sign_in(client, next="/try/?a=b").headers["Location"] == "/try/?a=b"


def test_next_address_of_another_site_is_ignored(client: Client, user: User) -> None:
    response = _sign_in(client, next="https://elsewhere.example/")
    assert response.headers["Location"] == reverse("live")


def test_sign_in_page_shows_typed_markup_as_text(client: Client) -> None:
    response = client.post(
        reverse("login"), {"username": "<b>x</b>", "password": "y", "next": '"><b>'}
    )
    html = response.content.decode()
    assert "<b>x</b>" not in html
    assert '"><b>' not in html


def test_locked_name_is_shown_the_time_to_wait(client: Client, user: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(2):
        assert _sign_in(client, "wrong").status_code == 200
    response = _sign_in(client, "wrong", next="/try/")
    assert response.status_code == 429
    html = response.content.decode()
    assert "Try again in 15 minutes" in html
    assert "otto" in html
    assert f'href="{reverse("login")}?next=/try/"' in html
    # Even the right password is refused now.
    assert _sign_in(client).status_code == 429


def test_admin_has_no_sign_in_page_of_its_own(client: Client) -> None:
    response = client.get("/admin/", follow=True)
    assert unquote(response.redirect_chain[-1][0]) == f"{reverse('login')}?next=/admin/"
    assert "web/plain.css" in response.content.decode()
