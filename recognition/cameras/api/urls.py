"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.cameras.api import views

urlpatterns = [
    path("cameras", views.CamerasView.as_view(), name="cameras"),
    path("cameras/test", views.CameraTestView.as_view(), name="camera-test"),
    path("cameras/senders", views.SendersView.as_view(), name="camera-senders"),
    path("cameras/<uuid:camera_id>", views.CameraView.as_view(), name="camera"),
    path(
        "cameras/<uuid:camera_id>/minutes",
        views.CameraMinutesView.as_view(),
        name="camera-minutes",
    ),
]
