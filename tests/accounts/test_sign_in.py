"""Sign-in: names are locked after too many wrong passwords, and `next` leads only to this site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings as site
from django.core import signing
from django.core.cache import cache
from django.test import Client

from accounts.access import Role
from accounts.browsers import COOKIE, attempts_forget
from accounts.models import User
from facerec_site.throttling import SignInRateThrottle
from tests.callers import PageClient
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ADDRESS = "/accounts/login/"
PASSWORD = "pass-word-1"


@pytest.fixture
def vera() -> User:
    return make_user(Role.VIEWER, username="vera")


def sign_in(client: Client, name: str = "vera", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(ADDRESS, {"username": name, "password": password, **extra})


def leave(client: Client) -> None:
    """The session has ended, and the browser is the same."""
    del client.cookies[site.SESSION_COOKIE_NAME]


def is_signed_in(client: Client) -> bool:
    return client.get("/api/v1/me").status_code == 200


def test_sign_in_with_the_right_password_leads_to_the_live_page(client: Client, vera: User) -> None:
    answer = sign_in(client)
    assert answer["Location"] == "/live/"
    assert is_signed_in(client)
    cookie = client.cookies[site.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize(("name", "password"), [("vera", "wrong"), ("nobody", PASSWORD)])
def test_wrong_name_and_wrong_password_have_one_message(
    client: Client, vera: User, name: str, password: str
) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 200
    assert "correct username and password" in " ".join(answer.content.decode().split())
    assert not is_signed_in(client)


def test_inactive_user_cannot_sign_in(client: Client, vera: User) -> None:
    User.objects.filter(pk=vera.pk).update(is_active=False)
    sign_in(client)
    assert not is_signed_in(client)


def test_user_who_becomes_inactive_is_signed_out_at_once(client: Client, vera: User) -> None:
    sign_in(client)
    User.objects.filter(pk=vera.pk).update(is_active=False)
    assert not is_signed_in(client)
    assert client.get("/admin/").status_code == 302


class TestLock:
    @pytest.fixture(autouse=True)
    def _three(self, settings: Any) -> None:
        settings.AXES_FAILURE_LIMIT = 3

    def test_sign_in_is_locked_after_too_many_wrong_passwords(
        self, client: Client, vera: User
    ) -> None:
        for _ in range(2):
            assert sign_in(client, password="wrong").status_code == 200
        assert sign_in(client, password="wrong").status_code == 429
        answer = sign_in(client)
        assert answer.status_code == 429
        assert not is_signed_in(client)

    def test_lock_counts_for_one_name_and_one_address(self, client: Client, vera: User) -> None:
        other = make_user(Role.VIEWER, username="otto")
        for _ in range(3):
            sign_in(client, password="wrong")
        assert sign_in(PageClient(REMOTE_ADDR="192.0.2.7")).status_code == 302
        assert sign_in(PageClient(), other.username).status_code == 302

    def test_lock_is_not_avoided_by_a_forwarded_header(self, client: Client, vera: User) -> None:
        for number in range(3):
            headers = {"x-forwarded-for": f"192.0.2.{number}", "x-real-ip": f"192.0.2.{number}"}
            values = {"username": "vera", "password": "wrong"}
            answer = client.post(ADDRESS, values, headers=headers)
        assert answer.status_code == 429
        assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}

    def test_right_password_resets_the_count_of_the_lock(self, client: Client, vera: User) -> None:
        for _ in range(2):
            for _ in range(2):
                sign_in(client, password="wrong")
            assert sign_in(PageClient()).status_code == 302

    def test_lock_by_a_stranger_at_the_same_address_is_not_for_a_known_browser(
        self, client: Client, vera: User
    ) -> None:
        sign_in(client)
        leave(client)
        stranger = PageClient()
        for _ in range(3):
            sign_in(stranger, password="wrong")
        assert sign_in(stranger).status_code == 429
        assert sign_in(client).status_code == 302

    def test_lock_of_a_known_browser_is_its_own(self, client: Client, vera: User) -> None:
        sign_in(client)
        leave(client)
        for _ in range(3):
            answer = sign_in(client, password="wrong")
        assert answer.status_code == 429
        assert sign_in(client).status_code == 429
        assert sign_in(PageClient()).status_code == 302

    @pytest.mark.parametrize("whose", ["another user's", "forged"])
    def test_lock_counts_for_a_browser_that_only_claims_to_be_known(
        self, client: Client, vera: User, whose: str
    ) -> None:
        if whose == "forged":
            client.cookies[COOKIE] = "eyJpZCI6ICJ4In0:1:x"
        else:
            make_user(Role.VIEWER, username="otto")
            sign_in(client, "otto")
            leave(client)
        for _ in range(3):
            sign_in(PageClient(), password="wrong")
        assert sign_in(client).status_code == 429

    def test_lock_is_lifted_by_a_new_password_for_every_browser(
        self, client: Client, vera: User
    ) -> None:
        sign_in(client)
        leave(client)
        for _ in range(3):
            sign_in(client, password="wrong")
            sign_in(PageClient(), password="wrong")
        attempts_forget(username="vera")
        assert sign_in(client).status_code == 302
        assert sign_in(PageClient()).status_code == 302

    def test_cookie_tells_no_name(self, client: Client, vera: User) -> None:
        sign_in(client)
        cookie = client.cookies[COOKIE]
        assert cookie["httponly"]
        assert "vera" not in str(signing.loads(cookie.value, salt="accounts.browsers"))

    def test_failed_sign_in_stores_no_password(self, client: Client, vera: User) -> None:
        sign_in(client, password="my-other-secret")
        assert "my-other-secret" not in repr(list(AccessAttempt.objects.values()))


class TestPace:
    """The attempts of one address count together, whatever names it tries."""

    @pytest.fixture(autouse=True)
    def _three_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(SignInRateThrottle, "THROTTLE_RATES", {"sign_in": "3/min"})
        cache.clear()
        yield
        cache.clear()

    def test_sign_in_beyond_the_rate_is_refused_with_429(self, client: Client, vera: User) -> None:
        for number in range(3):
            assert sign_in(client, f"somebody-{number}").status_code == 200
        answer = sign_in(client)
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 60
        assert "Too many tries" in answer.content.decode()
        assert not is_signed_in(client)
        assert client.get(ADDRESS).status_code == 200

    def test_rate_of_sign_in_counts_for_one_address(self, client: Client, vera: User) -> None:
        for number in range(4):
            sign_in(client, f"somebody-{number}")
        assert sign_in(PageClient(REMOTE_ADDR="192.0.2.7")).status_code == 302

    def test_sign_in_beyond_the_rate_checks_no_password(self, client: Client, vera: User) -> None:
        for number in range(6):
            sign_in(client, f"somebody-{number}")
        assert AccessAttempt.objects.count() == 3


@pytest.mark.parametrize(
    "to", ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "\\\\evil.example"]
)
def test_sign_in_does_not_redirect_to_another_site(client: Client, vera: User, to: str) -> None:
    assert sign_in(client, next=to)["Location"] == "/live/"


def test_sign_in_leads_back_to_the_page_that_asked(client: Client, vera: User) -> None:
    page = "/admin/events/event/"
    asked = client.get(page)
    assert asked["Location"].startswith("/admin/login/?next=")
    form = client.get(asked["Location"])
    assert form["Location"] == f"{ADDRESS}?next={page}"
    assert sign_in(client, next=page)["Location"] == page


def test_sign_in_starts_a_new_session(client: Client, vera: User) -> None:
    """A browser id that another person set before does not become the user's."""
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    sign_in(client)
    assert client.session.session_key != before


def test_sign_in_without_csrf_token_is_refused(vera: User) -> None:
    assert sign_in(PageClient(enforce_csrf_checks=True)).status_code == 403


def test_signing_out_needs_a_form(client: Client, vera: User) -> None:
    sign_in(client)
    assert client.get("/accounts/logout/").status_code == 405
    assert is_signed_in(client)
    assert client.post("/accounts/logout/")["Location"] == ADDRESS
    assert not is_signed_in(client)


def test_a_new_password_ends_other_sessions(client: Client, vera: User) -> None:
    sign_in(client)
    vera.set_password("another-pass-word-2")
    vera.save()
    assert not is_signed_in(client)
