"""Clients of the API: a signed-in user with a role, or a program with a key."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from accounts.access import Role, Scope
from accounts.models import ApiKey
from recognition.people.models import Collection
from tests import contract
from tests.commits import committed
from tests.factories import make_user


class Caller(APIClient):
    """DRF's client, with values of any type that can be converted to text.

    Whatever it is answered is held to the OpenAPI document, so every test of the API is a test of
    that as well. `ends_with_commit`: False lets the test roll its request back.
    """

    ends_with_commit = True

    def request(self, **kwargs: Any) -> Any:
        with committed() if self.ends_with_commit else nullcontext():
            answer = super().request(**kwargs)
        contract.check(kwargs["REQUEST_METHOD"], kwargs["PATH_INFO"], answer)
        return answer

    def get(self, path: str, data: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return super().get(path, data, **extra)

    def post(self, path: str, data: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return super().post(path, data, **extra)

    def patch(self, path: str, data: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return super().patch(path, data, **extra)

    def send(self, path: str, body: bytes, content_type: str, method: str = "POST") -> Any:
        """Send a body unchanged."""
        return self.generic(method, path, body, content_type)  # type: ignore[arg-type]


class PageClient(Client):
    """A browser without scripts: Django's client, which runs the steps after each commit."""

    def request(self, **request: Any) -> Any:
        with committed():
            return super().request(**request)


def signed_in(role: str = Role.ADMINISTRATOR, *, checks_csrf: bool = False) -> Caller:
    client = Caller(enforce_csrf_checks=checks_csrf)
    client.force_login(make_user(role))
    return client


def new_key(*scopes: str, collection: Collection | None = None, **fields: Any) -> str:
    """The secret of a new key with these scopes; without arguments it has none."""
    limit = collection.pk if collection else None
    return ApiKey.issue(name="program", scopes=list(scopes), collection_id=limit, **fields)[1]


def with_secret(secret: str) -> Caller:
    client = Caller()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def with_key(*scopes: str, collection: Collection | None = None) -> Caller:
    """A client with a new key of these scopes; all of them if none is named."""
    return with_secret(new_key(*(scopes or Scope.values), collection=collection))
