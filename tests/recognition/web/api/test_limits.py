"""Limits on the calls of one caller, and the CSRF token that writes with a session need."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from accounts.access import Role, Scope
from facerec_site.throttling import CallerRateThrottle
from recognition.people.models import Person
from tests.answers import good, refusal
from tests.callers import Caller, new_key, signed_in, with_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def _two_a_minute(monkeypatch: pytest.MonkeyPatch) -> Any:
    cache.clear()
    monkeypatch.setattr(CallerRateThrottle, "THROTTLE_RATES", {"caller": "2/min"})
    yield
    cache.clear()


@pytest.mark.usefixtures("_two_a_minute")
class TestRate:
    def test_key_beyond_its_rate_is_answered_429(self) -> None:
        first, second = with_key(), with_key()
        for _ in range(2):
            good(first.get("/api/v1/me"))
        answer = first.get("/api/v1/me")
        refusal(answer, 429, "throttled")
        assert 1 <= int(answer["Retry-After"]) <= 60
        good(second.get("/api/v1/me"))

    def test_user_beyond_the_rate_is_answered_429(self) -> None:
        client = signed_in(Role.VIEWER)
        for _ in range(2):
            good(client.get("/api/v1/me"))
        refusal(client.get("/api/v1/me"), 429, "throttled")

    def test_refused_calls_count_for_the_rate(self) -> None:
        client = with_key(Scope.DETECT)
        for _ in range(2):
            refusal(client.post("/api/v1/detect", {}), 400, "validation_error")
        refusal(client.post("/api/v1/detect", {}), 429, "throttled")


class TestForgery:
    """A page of another site can send requests with the cookies of a visitor."""

    def test_session_write_without_csrf_token_is_refused(self) -> None:
        client = signed_in(checks_csrf=True)
        answer = client.post("/api/v1/collections", {"name": "x"})
        refusal(answer, 403, "permission_denied")
        assert "CSRF" in answer.json()["error"]["message"]

    def test_session_write_with_csrf_token_is_done(self) -> None:
        client = signed_in(checks_csrf=True)
        client.get("/live/")
        token = client.cookies["csrftoken"].value
        answer = client.post("/api/v1/collections", {"name": "x"}, headers={"x-csrftoken": token})
        good(answer, 201)

    def test_key_needs_no_csrf_token(self) -> None:
        client = Caller(enforce_csrf_checks=True)
        client.credentials(HTTP_X_API_KEY=new_key(*Scope.values))
        good(client.post("/api/v1/collections", {"name": "x"}), 201)

    @pytest.mark.parametrize("address", ["/api/v1/collections", "/api/v1/detect"])
    def test_session_read_needs_no_csrf_token_but_a_form_does(self, address: str) -> None:
        client = signed_in(checks_csrf=True)
        good(client.get("/api/v1/collections"))
        answer = client.post(address, {"name": "x"}, format="multipart")
        assert answer.status_code in (403, 415)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "PATCH", "DELETE"])
def test_unsupported_method_is_answered_405(api: Caller, method: str) -> None:
    answer = api.generic(method, "/api/v1/persons")
    refusal(answer, 405, "method_not_allowed")
    refusal(Caller().generic(method, "/api/v1/persons"), 401, "not_authenticated")


def test_answers_allow_no_other_origin(api: Caller) -> None:
    answer = api.get("/api/v1/me", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_api_answers_are_not_stored_by_caches(api: Caller, person: Person) -> None:
    for address in ("persons", f"persons/{person.pk}", "me"):
        assert api.get(f"/api/v1/{address}")["Cache-Control"] == "private, no-store"


def test_head_is_get_without_the_body(api: Caller) -> None:
    answer = api.head("/api/v1/persons")
    assert answer.status_code == 200
    refused = with_key(Scope.DETECT).head("/api/v1/persons")
    assert refused.status_code == 403
