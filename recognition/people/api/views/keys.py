"""API keys, and the caller."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access, Scope
from accounts.models import ApiKey
from accounts.permissions import IsSignedIn
from accounts.services import key_issue, key_revoke
from recognition.people import selectors
from recognition.people.api.serializers.keys import (
    KeyInput,
    KeySerializer,
    MeSerializer,
    NewKeySerializer,
)
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError, not_found
from recognition.web.numbers import utc_text


class KeysView(ApiView):
    @operation("keys_list", "List API keys", scope=Scope.MANAGE, answer=KeySerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.paged(_keys_of(self.access), KeySerializer)

    @operation(
        "keys_create",
        "Make an API key",
        scope=Scope.MANAGE,
        request=KeyInput,
        answer=NewKeySerializer,
        status=201,
        errors=(404, *WITH_BODY),
        ignores_own=True,
        about="Only this answer shows the secret. A new key cannot have more rights than its "
        "maker. If a key makes another key, the new one expires no later than its maker, and is "
        "revoked with its maker.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(KeyInput)
        key, secret = key_issue(
            name=values["name"],
            scopes=_granted(self.access, values["scopes"]),
            collection_id=_collection_of(self.access, values.get("collection")),
            expires_at=_end_of(self.access, values.get("expires_at")),
            user=self.access.user,
            maker=self.access.key,
            actor=self.actor,
        )
        answer = {**KeySerializer(key).data, "secret": secret}
        headers = {"Cache-Control": "no-store"}
        return Response(answer, status=status.HTTP_201_CREATED, headers=headers)


class KeyView(ApiView):
    @operation(
        "keys_read", "Read an API key", scope=Scope.MANAGE, answer=KeySerializer, errors=(404,)
    )
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(KeySerializer(_key(self.access, key_id)).data)

    @operation(
        "keys_revoke",
        "Revoke an API key and the keys that it made, for good",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, key_id: UUID) -> Response:
        key_revoke(key=_key(self.access, key_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(ApiView):
    permission_classes = [IsSignedIn]

    @operation("me", "Read who the caller is and what it may do", scope=None, answer=MeSerializer)
    def get(self, request: Request) -> Response:
        return Response(_me(self.access))


def _me(access: Access) -> JsonDict:
    key, user = access.key, access.user
    return {
        "kind": "key" if key is not None else "user",
        "name": key.name if key is not None else user.username if user is not None else "",
        "role": user.role if user is not None else None,
        "scopes": sorted(access.scopes),
        "collection": access.collection_id,
        "expires_at": key.expires_at if key is not None else None,
    }


def _keys_of(access: Access) -> QuerySet[ApiKey]:
    keys = ApiKey.objects.all()
    return keys.filter(collection_id=access.collection_id) if access.collection_id else keys


def _key(access: Access, key_id: UUID) -> ApiKey:
    key = _keys_of(access).filter(pk=key_id).first()
    if key is None:
        raise not_found("API key")
    return key


def _granted(access: Access, scopes: list[str]) -> list[str]:
    missing = sorted(set(scopes) - access.scopes)
    if missing:
        message = f"A key cannot have scopes that you do not have: {', '.join(missing)}."
        raise ServiceError("permission_denied", message, status=403, scopes=missing)
    return scopes


def _end_of(access: Access, expires_at: datetime | None) -> datetime | None:
    """The expiry of the new key. 403 if it would outlive the key that makes it."""
    latest = access.key.expires_at if access.key else None
    if latest is not None and expires_at is not None and expires_at > latest:
        message = f"The new key must expire no later than yours, at {utc_text(latest)}."
        raise ServiceError("permission_denied", message, status=403)
    return expires_at or latest


def _collection_of(access: Access, collection_id: UUID | None) -> UUID | str | None:
    """The collection of the new key. A limited key can only make keys of its own collection."""
    if collection_id is None:
        return access.collection_id
    return selectors.collection_by_id(access, collection_id).pk
