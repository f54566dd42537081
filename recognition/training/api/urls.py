"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.training.api import views

urlpatterns = [
    path("training-runs", views.TrainingRunsView.as_view(), name="training-runs"),
    path("training-runs/<uuid:run_id>", views.TrainingRunView.as_view(), name="training-run"),
    path(
        "training-runs/<uuid:run_id>/cancel",
        views.CancelTrainingView.as_view(),
        name="training-run-cancel",
    ),
]
