"""API keys are made, shown once, limited and switched off; and the caller can be read."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from accounts.access import Role, Scope
from accounts.models import ApiKey, AuditEntry
from accounts.services import key_issue, key_revoke, key_update
from recognition.people.models import Collection
from recognition.web.numbers import utc_text
from tests.answers import good, refusal
from tests.callers import Caller, new_key, signed_in, with_key, with_secret
from tests.factories import ACTOR, make_collection

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/api-keys"


def make(api: Caller, **values: Any) -> Any:
    return api.post(KEYS, {"name": "door", "scopes": ["identify"], **values})


class TestMake:
    def test_created_key_tells_its_secret_once(self, api: Caller) -> None:
        answer = make(api)
        body = good(answer, 201)
        assert answer["Cache-Control"] == "no-store"
        assert body["secret"].startswith(body["prefix"])
        good(with_secret(body["secret"]).get("/api/v1/me"))
        for again in (api.get(f"{KEYS}/{body['id']}"), api.get(KEYS)):
            assert body["secret"] not in again.content.decode()

    def test_key_secret_cannot_be_read_from_the_database(self, api: Caller) -> None:
        secret = good(make(api), 201)["secret"]
        unguessable = secret.removeprefix(ApiKey.objects.get(name="door").prefix)
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                assert unguessable not in repr(cursor.fetchall()), table

    def test_key_is_limited_to_a_collection_and_a_time(
        self, api: Caller, collection: Collection
    ) -> None:
        until = timezone.now() + timedelta(days=1)
        body = good(make(api, collection=collection.pk, expires_at=until), 201)
        me = good(with_secret(body["secret"]).get("/api/v1/me"))
        assert me["collection"] == body["collection"] == str(collection.pk)
        assert me["expires_at"] == body["expires_at"]
        assert me["scopes"] == ["identify"]

    @pytest.mark.parametrize(
        "values",
        [
            {"name": ""},
            {"scopes": []},
            {"scopes": ["everything"]},
            {"scopes": "identify"},
            {"collection": "main"},
            {"expires_at": "2020-01-01T00:00:00Z"},
        ],
    )
    def test_creating_a_key_with_invalid_fields_is_refused(self, api: Caller, values: dict) -> None:
        error = refusal(make(api, **values), 400, "validation_error")
        assert set(error["details"]["fields"]) == set(values)

    def test_key_for_an_unknown_collection_is_refused(self, api: Caller) -> None:
        refusal(make(api, collection=uuid.uuid4()), 404, "not_found")

    def test_key_cannot_have_more_scopes_than_its_maker(self, db: None) -> None:
        clerk = with_key(Scope.MANAGE, Scope.IDENTIFY)
        good(make(clerk, scopes=["identify"]), 201)
        error = refusal(make(clerk, scopes=["identify", "enrol"]), 403, "permission_denied")
        assert error["details"] == {"scopes": ["enrol"]}

    def test_a_limited_key_makes_keys_of_its_collection(self, collection: Collection) -> None:
        clerk = with_key(collection=collection)
        assert good(make(clerk), 201)["collection"] == str(collection.pk)
        refusal(make(clerk, collection=make_collection().pk), 404, "not_found")

    def test_maker_of_a_key_is_audited(self, db: None) -> None:
        client = signed_in(Role.ADMINISTRATOR)
        body = good(make(client), 201)
        entry = AuditEntry.objects.get(action="key.issue")
        assert (entry.target_id, entry.details) == (body["id"], {"scopes": ["identify"]})
        assert entry.actor.startswith("user:administrator")
        assert body["secret"] not in repr(entry.__dict__)


class TestMadeByAKey:
    """A key that was made by a key has no more rights and does not live longer."""

    def _child_of(self, maker: str, **values: Any) -> dict[str, Any]:
        scopes = values.pop("scopes", ["identify", "manage"])
        return good(make(with_secret(maker), scopes=scopes, **values), 201)

    def test_ends_with_its_maker(self, db: None) -> None:
        end = timezone.now() + timedelta(hours=1)
        child = self._child_of(new_key(*Scope.values, expires_at=end))
        assert child["expires_at"] == utc_text(end)

    def test_with_a_later_end_is_refused(self, db: None) -> None:
        end = timezone.now() + timedelta(hours=1)
        maker = with_secret(new_key(*Scope.values, expires_at=end))
        error = refusal(
            make(maker, expires_at=end + timedelta(seconds=1)), 403, "permission_denied"
        )
        assert utc_text(end) in error["message"]
        good(make(maker, expires_at=end - timedelta(minutes=1)), 201)

    def test_is_revoked_with_its_maker_and_so_are_its_own(self, api: Caller) -> None:
        maker = new_key(*Scope.values)
        child = self._child_of(maker)
        grandchild = self._child_of(child["secret"])
        stranger = new_key(Scope.MANAGE)
        assert grandchild["made_by"] == child["id"]
        good(api.delete(f"{KEYS}/{child['made_by']}"), 204)
        for secret in (maker, child["secret"], grandchild["secret"]):
            refusal(with_secret(secret).get("/api/v1/me"), 401, "authentication_failed")
        good(with_secret(stranger).get("/api/v1/me"))
        assert AuditEntry.objects.filter(action="key.revoke").count() == 3

    def test_gets_the_earlier_end_that_its_maker_gets(self, db: None) -> None:
        maker = new_key(*Scope.values)
        child = self._child_of(maker)
        grandchild = self._child_of(child["secret"])
        end = timezone.now() + timedelta(hours=1)
        key_update(key=ApiKey.objects.get(pk=child["made_by"]), actor=ACTOR, expires_at=end)
        for made in (child, grandchild):
            assert ApiKey.objects.get(pk=made["id"]).expires_at == end

    @pytest.mark.parametrize(
        "values",
        [{"scopes": ["manage", "enrol"]}, {"collection_id": None}, {"expires_at": "later"}],
    )
    def test_the_service_itself_refuses_more(
        self, collection: Collection, values: dict[str, Any]
    ) -> None:
        end = timezone.now() + timedelta(hours=1)
        fields = {"collection_id": collection.pk, "expires_at": end}
        maker = ApiKey.issue(name="m", scopes=["manage"], **fields)[0]
        asked: dict[str, Any] = {"scopes": ["manage"], **fields} | values
        if asked["expires_at"] == "later":
            asked["expires_at"] = end + timedelta(days=1)
        with pytest.raises(PermissionDenied):
            key_issue(name="k", maker=maker, actor=ACTOR, **asked)

    def test_a_maker_that_was_revoked_meanwhile_makes_none(self, db: None) -> None:
        maker = ApiKey.issue(name="m", scopes=["manage"])[0]
        key_revoke(key=ApiKey.objects.get(pk=maker.pk), actor=ACTOR)
        with pytest.raises(PermissionDenied):
            key_issue(name="k", scopes=["manage"], maker=maker, actor=ACTOR)


class TestUse:
    @pytest.mark.parametrize(
        "header",
        [
            {"authorization": "Bearer {}"},
            {"authorization": "bearer {}"},
            {"x-api-key": "{}"},
            {"x-api-key": " {} "},
        ],
    )
    def test_key_is_taken_from_either_header(self, db: None, header: dict[str, str]) -> None:
        secret = new_key(Scope.IDENTIFY)
        headers = {name: value.format(secret) for name, value in header.items()}
        assert good(Caller().get("/api/v1/me", headers=headers))["kind"] == "key"

    @pytest.mark.parametrize("name", ["api_key", "apikey", "key", "token", "access_token"])
    def test_key_is_never_taken_from_the_query(self, db: None, name: str) -> None:
        secret = new_key(*Scope.values)
        for wanted in (name, name.upper(), "X-Api-Key", "Authorization"):
            answer = Caller().get("/api/v1/persons", {wanted: secret})
            refusal(answer, 401, "not_authenticated")
            assert secret not in answer.content.decode()

    @pytest.mark.parametrize("value", ["Basic {}", "Token {}", "{}", "Bearer {} x", "Bearer  "])
    def test_key_in_another_authorization_scheme_is_refused(self, db: None, value: str) -> None:
        headers = {"authorization": value.format(new_key(*Scope.values))}
        answer = Caller().get("/api/v1/me", headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("secret", ["frk_wrong", "x" * 5000, "\u00e4", "frk_\x00"])
    def test_unknown_key_is_answered_401(self, db: None, secret: str) -> None:
        answer = Caller().get("/api/v1/me", headers={"x-api-key": secret})
        assert answer.status_code == 401

    def test_expired_key_is_answered_401(self, db: None) -> None:
        secret = new_key(*Scope.values, expires_at=timezone.now() - timedelta(seconds=1))
        refusal(with_secret(secret).get("/api/v1/me"), 401, "authentication_failed")

    def test_revoked_key_is_refused_at_once(self, api: Caller) -> None:
        body = good(make(api), 201)
        caller = with_secret(body["secret"])
        good(caller.get("/api/v1/persons"))
        good(api.delete(f"{KEYS}/{body['id']}"), 204)
        refusal(caller.get("/api/v1/persons"), 401, "authentication_failed")
        listed = good(api.get(f"{KEYS}/{body['id']}"))
        assert listed["is_active"] is False
        assert AuditEntry.objects.filter(action="key.revoke", target_id=body["id"]).exists()

    def test_wrong_key_beside_a_session_is_refused(self, db: None) -> None:
        client = signed_in()
        answer = client.get("/api/v1/me", headers={"x-api-key": "frk_wrong"})
        refusal(answer, 401, "authentication_failed")

    def test_key_says_when_it_was_last_used(self, api: Caller) -> None:
        body = good(make(api), 201)
        assert body["last_used_at"] is None
        with_secret(body["secret"]).get("/api/v1/me")
        assert good(api.get(f"{KEYS}/{body['id']}"))["last_used_at"]


def test_keys_are_listed_newest_first(api: Caller) -> None:
    names = [f"key {number}" for number in range(3)]
    for name in names:
        good(make(api, name=name), 201)
    first = good(api.get(KEYS, {"page_size": 2}))
    second = good(api.get(first["next"]))
    listed = [row["name"] for page in (first, second) for row in page["results"]]
    assert listed == [*reversed(names), "program"]


def test_unknown_key_id_is_answered_404(api: Caller) -> None:
    refusal(api.get(f"{KEYS}/{uuid.uuid4()}"), 404, "not_found")
    refusal(api.delete(f"{KEYS}/{uuid.uuid4()}"), 404, "not_found")


class TestMe:
    @pytest.mark.parametrize("role", list(Role))
    def test_me_of_a_user_has_role_and_scopes(self, db: None, role: Role) -> None:
        me = good(signed_in(role).get("/api/v1/me"))
        assert (me["kind"], me["role"], me["collection"]) == ("user", role.value, None)
        assert ("enrol" in me["scopes"]) is (role != Role.VIEWER)

    def test_me_of_a_key_without_scopes_is_answered(self, db: None) -> None:
        me = good(with_secret(new_key()).get("/api/v1/me"))
        assert (me["kind"], me["name"], me["role"], me["scopes"]) == ("key", "program", None, [])
