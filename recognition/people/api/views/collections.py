"""Collections and their rules."""

from __future__ import annotations

from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access, Scope
from recognition.people import selectors
from recognition.people.api.serializers.collections import (
    CollectionDetailSerializer,
    CollectionInput,
    CollectionSerializer,
)
from recognition.people.index import gallery_of
from recognition.people.model_versions import embedder_named, ensure_model_version
from recognition.people.models import Collection
from recognition.people.rules import decider_in_force, rules_if_any
from recognition.people.services import collections as service
from recognition.people.services.identification import default_embedder
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation
from recognition.web.boundaries import CheckedFields, JsonDict
from recognition.web.errors import ServiceError


def refuse_limited_key(access: Access) -> None:
    """403 for a key of one collection, in operations that affect more than that collection."""
    if access.collection_id is not None:
        message = "This key is limited to its collection."
        raise ServiceError("permission_denied", message, status=403)


class CollectionsView(ApiView):
    @operation(
        "collections_list",
        "List collections",
        scope=Scope.IDENTIFY,
        answer=CollectionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return self.paged(selectors.collections_visible(self.access), CollectionSerializer)

    @operation(
        "collections_create",
        "Add a collection",
        scope=Scope.MANAGE,
        request=CollectionInput,
        answer=CollectionDetailSerializer,
        status=201,
        errors=(409, *WITH_BODY),
        ignores_own=True,
    )
    def post(self, request: Request) -> Response:
        refuse_limited_key(self.access)
        values = _with_model(self.read(CollectionInput))
        values.setdefault("embedder", ensure_model_version(default_embedder()))
        collection = service.collection_create(actor=self.actor, **values)
        return Response(_detail(collection), status=status.HTTP_201_CREATED)


class CollectionView(ApiView):
    @operation(
        "collections_read",
        "Read a collection, with the threshold in force",
        scope=Scope.IDENTIFY,
        answer=CollectionDetailSerializer,
        errors=(404,),
    )
    def get(self, request: Request, collection_id: UUID) -> Response:
        return Response(_detail(selectors.collection_by_id(self.access, collection_id)))

    @operation(
        "collections_update",
        "Change a collection's rules",
        scope=Scope.MANAGE,
        request=CollectionInput(partial=True),
        answer=CollectionDetailSerializer,
        errors=(404, 409, *WITH_BODY),
        ignores_own=True,
    )
    def patch(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        options = {"instance": collection, "partial": True}
        changes = _with_model(self.read(CollectionInput, **options))
        changed = service.collection_update(collection=collection, actor=self.actor, **changes)
        return Response(_detail(changed))

    @operation(
        "collections_delete",
        "Delete an empty collection",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404, 409),
    )
    def delete(self, request: Request, collection_id: UUID) -> Response:
        collection = selectors.collection_by_id(self.access, collection_id)
        service.collection_delete(collection=collection, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _with_model(values: CheckedFields) -> CheckedFields:
    """Replace the name of the embedder by its row."""
    if "embedder" in values:
        values["embedder"] = embedder_named(values["embedder"])
    return values


def _detail(collection: Collection) -> JsonDict:
    first, *second = map(collection.seen_by, selectors.models_of(collection))
    return {
        **CollectionSerializer(collection).data,
        "in_force": _in_force(first),
        "candidate_in_force": _in_force(second[0]) if second else None,
    }


def _in_force(collection: Collection) -> JsonDict:
    gallery = gallery_of(collection)
    rules = rules_if_any(collection, gallery)
    persons, templates = gallery.size
    return {
        "persons": persons,
        "templates": templates,
        "threshold": round(rules.threshold, 4) if rules else None,
        "margin": collection.match_margin,
        "source": rules.source if rules else None,
        "curve": rules.curve_source if rules else None,
        "decider": decider_in_force(collection),
    }
