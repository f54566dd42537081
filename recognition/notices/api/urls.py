"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.notices.api import views

urlpatterns = [
    path("webhooks", views.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>", views.WebhookView.as_view(), name="webhook"),
    path("webhooks/<uuid:webhook_id>/test", views.WebhookTestView.as_view(), name="webhook-test"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries",
        views.DeliveriesView.as_view(),
        name="webhook-deliveries",
    ),
]
