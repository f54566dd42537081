"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.jobs.api import views

urlpatterns = [
    path("jobs", views.JobsView.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", views.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel", views.JobCancelView.as_view(), name="job-cancel"),
]
