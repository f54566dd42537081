"""Every error has the one shape, and every response a request id."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import Client
from rest_framework import exceptions

from accounts.access import Scope
from accounts.models import ApiKey
from facerec_site.errors import INTERNAL_MESSAGE, answer_for
from ml_engine.types import (
    EngineBusy,
    EngineError,
    ImageError,
    ModelMismatch,
    ModelMissing,
    ModelUnusable,
    WeightsUnavailable,
)
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from tests.callers import PageClient
from tests.factories import make_user

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def check_shape(answer: Any) -> dict[str, Any]:
    """The `error` of the body, after the whole body was checked."""
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert re.fullmatch(r"[a-z0-9_]+", body["error"]["code"])
    assert body["error"]["message"]
    assert body["request_id"] == answer["X-Request-Id"]
    error: dict[str, Any] = body["error"]
    return error


@pytest.fixture
def keyed(db: None) -> Client:
    """A client with a key that may do everything."""
    _, secret = ApiKey.issue(name="test", scopes=list(Scope.values))
    return PageClient(headers={"authorization": f"Bearer {secret}"})


class TestShape:
    @pytest.mark.django_db
    def test_request_without_sign_in_is_answered_401(self, client: Client) -> None:
        answer = client.get("/api/v1/persons")
        assert answer.status_code == 401
        assert check_shape(answer)["code"] == "not_authenticated"
        assert answer["WWW-Authenticate"]

    @pytest.mark.django_db
    def test_request_with_an_unknown_key_is_answered_401(self, client: Client) -> None:
        answer = client.get("/api/v1/persons", headers={"x-api-key": "frk_wrong"})
        assert answer.status_code == 401
        check_shape(answer)

    @pytest.mark.django_db
    def test_request_without_the_scope_is_answered_403(self, client: Client) -> None:
        _, secret = ApiKey.issue(name="test", scopes=[Scope.DETECT])
        answer = client.get("/api/v1/persons", headers={"x-api-key": secret})
        assert answer.status_code == 403
        assert check_shape(answer)["code"] == "permission_denied"

    def test_unknown_address_is_answered_404(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/nothing")
        assert answer.status_code == 404
        assert check_shape(answer)["code"] == "not_found"

    def test_slash_at_the_end_is_explained(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/persons/")
        assert answer.status_code == 404
        assert "no slash" in check_shape(answer)["message"]

    def test_unknown_row_is_answered_404(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/persons/00000000-0000-7000-8000-000000000000")
        assert answer.status_code == 404
        assert check_shape(answer)["code"] == "not_found"

    def test_wrong_method_is_answered_405(self, keyed: Client) -> None:
        answer = keyed.delete("/api/v1/persons")
        assert answer.status_code == 405
        assert check_shape(answer)["code"] == "method_not_allowed"

    def test_invalid_field_is_answered_400_with_its_name(
        self, keyed: Client, collection: Collection
    ) -> None:
        answer = keyed.post("/api/v1/persons", {"name": ""}, content_type="application/json")
        assert answer.status_code == 400
        error = check_shape(answer)
        assert error["code"] == "validation_error"
        assert "name" in error["details"]["fields"]

    def test_broken_json_is_answered_400(self, keyed: Client) -> None:
        answer = keyed.post("/api/v1/persons", b"{", content_type="application/json")
        assert answer.status_code == 400
        check_shape(answer)

    def test_unsupported_content_type_is_answered_415(self, keyed: Client) -> None:
        answer = keyed.post("/api/v1/persons", b"<a/>", content_type="text/xml")
        assert answer.status_code == 415
        check_shape(answer)

    def test_error_is_json_even_if_the_caller_accepts_html(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/nothing", headers={"accept": "text/html"})
        check_shape(answer)

    def test_unexpected_error_is_answered_500_without_its_text(
        self, keyed: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise RuntimeError("the secret path /srv/x")

        monkeypatch.setattr("recognition.people.selectors.persons_list", fail)
        answer = keyed.get("/api/v1/persons")
        assert answer.status_code == 500
        error = check_shape(answer)
        assert (error["code"], error["message"]) == ("internal_error", INTERNAL_MESSAGE)
        assert "secret" not in answer.content.decode()

    def test_request_for_another_host_is_answered_400(self, client: Client) -> None:
        answer = client.get("/api/v1/me", headers={"host": "evil.example"})
        assert answer.status_code == 400
        error = check_shape(answer)
        assert error["code"] == "unknown_host"
        assert "ALLOWED_HOSTS" in error["message"]

    def test_address_below_a_path(self, client: Client) -> None:
        answer = client.get("/api/facerec/api/v1/me")
        assert answer.status_code == 404
        assert check_shape(answer)["code"] == "not_found"

    @pytest.mark.django_db
    def test_missing_page_is_answered_with_html(self, client: Client) -> None:
        answer = client.get("/no/such/page")
        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (ServiceError("name_taken", "Taken.", status=409), 409, "name_taken"),
        (ImageError("Cut off.", code="broken_image"), 400, "broken_image"),
        (ImageError("Too many.", code="too_many_pixels"), 413, "too_many_pixels"),
        (ImageError("What is it?", code="unsupported_image"), 415, "unsupported_image"),
        (EngineBusy("Busy."), 503, "engine_busy"),
        (WeightsUnavailable("Missing."), 503, "weights_unavailable"),
        (ModelMismatch("Other model."), 409, "model_mismatch"),
        (ModelMissing("a@1", available="a@2"), 409, "model_version_missing"),
        (ModelUnusable("No network."), 409, "model_unusable"),
        (EngineError("What happened inside."), 500, "engine_error"),
        (exceptions.Throttled(wait=7), 429, "throttled"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (RequestDataTooBig(), 413, "request_too_large"),
        (SuspiciousOperation("odd"), 400, "bad_request"),
        (OperationalError("connection refused to 10.0.0.1"), 503, "database_unavailable"),
        (KeyError("inside"), 500, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_exception_has_its_status_and_code_without_internals(
    raised: Exception, status: int, code: str
) -> None:
    answer = answer_for(raised)
    assert (answer.status, answer.code) == (status, code)
    assert "inside" not in answer.message
    assert "10.0.0.1" not in answer.message


@pytest.mark.parametrize(
    "raised",
    [
        WeightsUnavailable("m.tflite is missing.", detail="in /srv/weights"),
        ModelUnusable("m.keras cannot be used.", detail="/srv/weights/m.keras: odd"),
    ],
)
def test_no_folder_of_the_machine_is_told(
    raised: EngineError, caplog: pytest.LogCaptureFixture
) -> None:
    assert "/srv" not in answer_for(raised).message
    assert "/srv/weights" in caplog.text


@pytest.mark.parametrize("raised", [EngineBusy("Busy."), exceptions.Throttled(wait=7)])
def test_temporary_error_has_a_retry_after(raised: Exception) -> None:
    assert answer_for(raised).retry_after_s


class TestRequestId:
    def test_every_answer_has_a_request_id_of_its_own(self, client: Client) -> None:
        first, second = (client.get("/health/live")["X-Request-Id"] for _ in range(2))
        assert REQUEST_ID.fullmatch(first)
        assert first != second

    def test_request_id_of_the_caller_is_kept(self, client: Client) -> None:
        answer = client.get("/health/live", headers={"x-request-id": "order-17.b"})
        assert answer["X-Request-Id"] == "order-17.b"

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<script>"])
    def test_malformed_request_id_is_replaced(self, client: Client, sent: str) -> None:
        answer = client.get("/health/live", headers={"x-request-id": sent})
        assert REQUEST_ID.fullmatch(answer["X-Request-Id"])


@pytest.mark.django_db
class TestBehindProxy:
    """The error names the wrong setting and the right one."""

    def test_unknown_host_is_named_by_its_setting(self, client: Client) -> None:
        answer = client.get("/live/", headers={"host": "faces.example"})
        assert answer.status_code == 400
        assert "ALLOWED_HOSTS" in answer.content.decode()

    def test_wrong_origin_is_not_a_stale_form(self) -> None:
        strict = PageClient(enforce_csrf_checks=True)
        headers = {"origin": "https://testserver"}
        text = strict.post("/accounts/login/", {}, headers=headers).content.decode()
        assert "BEHIND_PROXY=1" in text
        assert "TRUSTED_ORIGINS" in text
        assert "stale" not in text

    def test_wrong_origin_of_a_call_is_told_with_what_to_set(self) -> None:
        strict = PageClient(enforce_csrf_checks=True)
        strict.force_login(make_user())
        headers = {"origin": "https://testserver"}
        answer = strict.post("/api/v1/persons", {}, headers=headers)
        assert answer.status_code == 403
        assert "TRUSTED_ORIGINS" in check_shape(answer)["message"]

    def test_form_without_a_token_is_refused_as_expired(self) -> None:
        strict = PageClient(enforce_csrf_checks=True)
        assert "expired" in strict.post("/accounts/login/", {}).content.decode()

    @pytest.mark.parametrize("path", ["/facerec/live/", "/facerec/admin/", "/facerec/api/v1/me"])
    def test_path_before_an_address_is_refused_with_a_word(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 404
        assert "at the root of a host name" in answer.content.decode()

    def test_page_that_is_not_there_is_nothing_else(self, client: Client) -> None:
        for path in ("/nothing/", "/nothing/at/all/", "/nothing"):
            assert "root of a host name" not in client.get(path).content.decode()
