"""Webhooks and the log of their deliveries."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.notices.api.serializers import (
    DeliverySerializer,
    NewWebhookSerializer,
    WebhookInput,
    WebhookSerializer,
)
from recognition.notices.selectors import (
    collection_limit,
    deliveries_of,
    webhook_by_id,
    webhooks_visible,
)
from recognition.notices.services.webhooks import (
    WebhookValues,
    webhook_create,
    webhook_delete,
    webhook_test,
    webhook_update,
)
from recognition.web.api.base import ApiView
from recognition.web.api.schema import WITH_BODY, operation


class WebhooksView(ApiView):
    @operation(
        "webhooks_list",
        "List webhooks",
        scope=Scope.MANAGE,
        answer=WebhookSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return self.paged(webhooks_visible(self.access), WebhookSerializer)

    @operation(
        "webhooks_create",
        "Add a webhook",
        scope=Scope.MANAGE,
        request=WebhookInput,
        answer=NewWebhookSerializer,
        status=201,
        errors=(404, *WITH_BODY),
        ignores_own=True,
        about="From now on notices are sent to the URL. They are signed with `secret`, which only "
        "this answer shows.",
    )
    def post(self, request: Request) -> Response:
        values = cast("WebhookValues", self.read(WebhookInput))
        values["collection_id"] = collection_limit(self.access, values.get("collection_id"))
        hook = webhook_create(actor=self.actor, access=self.access, **values)
        headers = {"Cache-Control": "no-store"}
        data = NewWebhookSerializer(hook).data
        return Response(data, status=status.HTTP_201_CREATED, headers=headers)


class WebhookView(ApiView):
    @operation(
        "webhooks_read",
        "Read a webhook",
        scope=Scope.MANAGE,
        answer=WebhookSerializer,
        errors=(404,),
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        return Response(WebhookSerializer(webhook_by_id(self.access, webhook_id)).data)

    @operation(
        "webhooks_update",
        "Change a webhook, or switch it on or off",
        scope=Scope.MANAGE,
        request=WebhookInput(partial=True),
        answer=WebhookSerializer,
        errors=(404, *WITH_BODY),
        ignores_own=True,
        about="When it is switched on, the notices that waited for it are sent.",
    )
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        hook = webhook_by_id(self.access, webhook_id)
        changes = cast("WebhookValues", self.read(WebhookInput, partial=True))
        if "collection_id" in changes:
            changes["collection_id"] = collection_limit(self.access, changes["collection_id"])
        webhook_update(webhook=hook, actor=self.actor, access=self.access, **changes)
        return Response(WebhookSerializer(webhook_by_id(self.access, webhook_id)).data)

    @operation(
        "webhooks_delete",
        "Remove a webhook, with its log",
        scope=Scope.MANAGE,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        webhook_delete(webhook=webhook_by_id(self.access, webhook_id), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookTestView(ApiView):
    @operation(
        "webhooks_test",
        "Send a test message",
        scope=Scope.MANAGE,
        answer=DeliverySerializer,
        status=202,
        errors=(404, 409),
        about="A message of the kind `webhook.test` is sent within a second and tried only once. "
        "GET `deliveries` shows the result.",
    )
    def post(self, request: Request, webhook_id: UUID) -> Response:
        hook = webhook_by_id(self.access, webhook_id)
        delivery = webhook_test(webhook=hook, actor=self.actor)
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)


class DeliveriesView(ApiView):
    @operation(
        "webhooks_deliveries_list",
        "List the deliveries to a webhook, sent and waiting",
        scope=Scope.MANAGE,
        answer=DeliverySerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        return self.paged(deliveries_of(webhook_by_id(self.access, webhook_id)), DeliverySerializer)
