"""The OpenAPI document is valid and complete, and answers match it.

That answers are what it says is checked by `tests.callers.Caller` with every request of every test.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.http import JsonResponse

from accounts.access import Scope
from tests import contract
from tests.accounts.test_every_address import API, BY_ROW, ROUTES
from tests.answers import refusal
from tests.callers import Caller, signed_in, with_key

METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths: dict[str, Any] = contract.document()["paths"]
    return [(path, m, paths[path][m]) for path in paths for m in METHODS if m in paths[path]]


def test_schema_is_valid_and_without_warnings() -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO())


def test_schema_has_every_operation_and_scope() -> None:
    documented = {
        (path, method.upper()): text["description"] for path, method, text in operations()
    }
    names = {name: "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route) for name, route in ROUTES.items()}
    wanted = {
        (names[name], method): scope
        for name, methods in API.items()
        if name != "schema"
        for method, scope in methods.items()
    }
    assert set(documented) == set(wanted)
    for operation, scope in wanted.items():
        is_by_row = operation[0] in {names[name] for name in BY_ROW}
        told = f"Scope: `{scope}`." if scope and not is_by_row else "Any account or key."
        assert told in documented[operation], operation


def test_schema_offers_each_way_to_sign_in_by_itself() -> None:
    for _, _, operation in operations():
        schemes = [next(iter(scheme)) for scheme in operation["security"]]
        assert schemes == ["bearerAuth", "apiKeyAuth", "cookieAuth"]
        assert all(len(scheme) == 1 for scheme in operation["security"])


@pytest.mark.parametrize(
    "operation", ["detect", "identify", "embed", "verify", "persons_images_enrol"]
)
def test_schema_describes_three_ways_to_send_pictures(operation: str) -> None:
    by_id = {text["operationId"]: text for _, _, text in operations()}
    contents = by_id[operation]["requestBody"]["content"]
    raw = {"image/jpeg", "image/png", "image/webp", "image/heic", "image/avif"}
    assert set(contents) == {"multipart/form-data", "application/json"} | raw
    schemas = contract.document()["components"]["schemas"]
    form = schemas[contents["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[-1]]
    text = schemas[contents["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]]
    assert form["properties"]["image"]["format"] == "binary"
    assert text["properties"]["image"]["format"] == "byte"


def test_schema_describes_every_refusal_with_an_example() -> None:
    for path, method, operation in operations():
        answers = operation["responses"]
        assert {"400", "401", "403", "429"} <= set(answers), (path, method)
        for status in answers:
            if status >= "400":
                assert answers[status] == {"$ref": f"#/components/responses/Error{status}"}
    for response in contract.document()["components"]["responses"].values():
        examples = response["content"]["application/json"]["examples"].values()
        assert all(example["value"]["error"]["code"] for example in examples)


def test_schema_examples_fit_the_schema() -> None:
    count = 0
    for _, _, operation in operations():
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for body in part.get("content", {}).values():
                for example in body.get("examples", {}).values():
                    contract.check_value(body["schema"], example["value"])
                    count += 1
    assert count > 16


@pytest.mark.django_db
class TestServed:
    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("application/json", "application/json"),
            ("application/vnd.oai.openapi", "application/vnd.oai.openapi"),
            ("*/*", "application/vnd.oai.openapi+json"),
        ],
    )
    def test_schema_is_served_as_json_and_yaml(self, accept: str, kind: str) -> None:
        answer = with_key(Scope.DETECT).get("/api/schema/", headers={"accept": accept})
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"].startswith(kind)

    def test_schema_in_another_format_is_refused(self) -> None:
        answer = with_key(Scope.DETECT).get("/api/schema/", headers={"accept": "text/html"})
        refusal(answer, 406, "not_acceptable")

    def test_schema_is_refused_without_sign_in(self) -> None:
        refusal(Caller().get("/api/schema/"), 401, "not_authenticated")
        assert Caller().get("/api/docs/")["Location"] == "/accounts/login/?next=/api/docs/"

    def test_docs_page_loads_nothing_from_elsewhere(self) -> None:
        page = signed_in().get("/api/docs/").content.decode()
        assert "/static/drf_spectacular_sidecar/" in page
        assert "https://" not in page


class TestTheCheckItself:
    """The check itself must be able to fail."""

    def _answer(self, body: dict[str, Any], status: int = 200) -> JsonResponse:
        return JsonResponse(body, status=status, headers={"X-Request-Id": "1"})

    GOOD = {"size": [1, 2], "faces": [], "timing_ms": {}}

    def test_contract_check_accepts_a_right_answer(self) -> None:
        contract.check("POST", "/api/v1/detect", self._answer(self.GOOD))

    @pytest.mark.parametrize(
        "change", [{"size": None}, {"size": [1]}, {"faces": [{}]}, {"secret": 1}, {"timing_ms": 3}]
    )
    def test_contract_check_finds_wrong_answers(self, change: dict[str, Any]) -> None:
        with pytest.raises(AssertionError):
            contract.check("POST", "/api/v1/detect", self._answer(self.GOOD | change))

    def test_contract_check_finds_an_undocumented_status(self) -> None:
        with pytest.raises(AssertionError, match="says nothing"):
            contract.check("POST", "/api/v1/detect", self._answer(self.GOOD, 418))

    def test_contract_check_finds_a_missing_header(self) -> None:
        with pytest.raises(AssertionError, match="X-Request-Id"):
            contract.check("POST", "/api/v1/detect", JsonResponse(self.GOOD))
