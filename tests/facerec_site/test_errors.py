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

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def check_shape(answer: Any) -> dict[str, Any]:
    """The error inside, after the whole body was looked at."""
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
    def test_not_signed_in(self, client: Client) -> None:
        answer = client.get("/api/v1/persons")
        assert answer.status_code == 401
        assert check_shape(answer)["code"] == "not_authenticated"
        assert answer["WWW-Authenticate"]

    @pytest.mark.django_db
    def test_key_that_does_not_exist(self, client: Client) -> None:
        answer = client.get("/api/v1/persons", headers={"x-api-key": "frk_wrong"})
        assert answer.status_code == 401
        check_shape(answer)

    @pytest.mark.django_db
    def test_scope_is_missing(self, client: Client) -> None:
        _, secret = ApiKey.issue(name="test", scopes=[Scope.DETECT])
        answer = client.get("/api/v1/persons", headers={"x-api-key": secret})
        assert answer.status_code == 403
        assert check_shape(answer)["code"] == "permission_denied"

    def test_address_that_is_not_there(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/nothing")
        assert answer.status_code == 404
        assert check_shape(answer)["code"] == "not_found"

    def test_slash_at_the_end_is_explained(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/persons/")
        assert answer.status_code == 404
        assert "no slash" in check_shape(answer)["message"]

    def test_row_that_is_not_there(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/persons/00000000-0000-7000-8000-000000000000")
        assert answer.status_code == 404
        assert check_shape(answer)["code"] == "not_found"

    def test_method(self, keyed: Client) -> None:
        answer = keyed.delete("/api/v1/persons")
        assert answer.status_code == 405
        assert check_shape(answer)["code"] == "method_not_allowed"

    def test_field(self, keyed: Client, collection: Collection) -> None:
        answer = keyed.post("/api/v1/persons", {"name": ""}, content_type="application/json")
        assert answer.status_code == 400
        error = check_shape(answer)
        assert error["code"] == "validation_error"
        assert "name" in error["details"]["fields"]

    def test_broken_json(self, keyed: Client) -> None:
        answer = keyed.post("/api/v1/persons", b"{", content_type="application/json")
        assert answer.status_code == 400
        check_shape(answer)

    def test_type_that_is_not_understood(self, keyed: Client) -> None:
        answer = keyed.post("/api/v1/persons", b"<a/>", content_type="text/xml")
        assert answer.status_code == 415
        check_shape(answer)

    def test_whatever_the_caller_accepts(self, keyed: Client) -> None:
        answer = keyed.get("/api/v1/nothing", headers={"accept": "text/html"})
        check_shape(answer)

    def test_unforeseen(self, keyed: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise RuntimeError("the secret path /srv/x")

        monkeypatch.setattr("recognition.people.selectors.persons_list", fail)
        answer = keyed.get("/api/v1/persons")
        assert answer.status_code == 500
        error = check_shape(answer)
        assert (error["code"], error["message"]) == ("internal_error", INTERNAL_MESSAGE)
        assert "secret" not in answer.content.decode()

    def test_host_that_is_not_ours(self, client: Client) -> None:
        answer = client.get("/api/v1/me", headers={"host": "evil.example"})
        assert answer.status_code == 400
        assert check_shape(answer)["code"] == "bad_request"

    @pytest.mark.django_db
    def test_pages_for_people_stay_pages(self, client: Client) -> None:
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
def test_answer_for(raised: Exception, status: int, code: str) -> None:
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
def test_says_when_to_come_again(raised: Exception) -> None:
    assert answer_for(raised).retry_after_s


class TestRequestId:
    def test_is_made(self, client: Client) -> None:
        first, second = (client.get("/health/live")["X-Request-Id"] for _ in range(2))
        assert REQUEST_ID.fullmatch(first)
        assert first != second

    def test_callers_own_is_kept(self, client: Client) -> None:
        answer = client.get("/health/live", headers={"x-request-id": "order-17.b"})
        assert answer["X-Request-Id"] == "order-17.b"

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<script>"])
    def test_odd_one_is_replaced(self, client: Client, sent: str) -> None:
        answer = client.get("/health/live", headers={"x-request-id": sent})
        assert REQUEST_ID.fullmatch(answer["X-Request-Id"])
