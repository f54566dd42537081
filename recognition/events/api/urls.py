"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.events.api import recordings, views

_RECORDING = "recordings/<uuid:recording_id>"

urlpatterns = [
    path("events", views.EventsView.as_view(), name="events"),
    path("events.csv", views.EventsTableView.as_view(), name="events-table"),
    path("events/<uuid:event_id>", views.EventView.as_view(), name="event"),
    path(
        "events/<uuid:event_id>/snapshot",
        views.EventSnapshotView.as_view(),
        name="event-snapshot",
    ),
    path("events/<uuid:event_id>/face", views.EventFaceView.as_view(), name="event-face"),
    path("events/<uuid:event_id>/clip", views.EventClipView.as_view(), name="event-clip"),
    path(
        "events/<uuid:event_id>/clip/convert",
        views.EventClipConvertView.as_view(),
        name="event-clip-convert",
    ),
    path("events/<uuid:event_id>/enrol", views.EventEnrolView.as_view(), name="event-enrol"),
    path("recordings", recordings.RecordingsView.as_view(), name="recordings"),
    path(_RECORDING, recordings.RecordingView.as_view(), name="recording"),
    path(f"{_RECORDING}/pieces", recordings.RecordingPiecesView.as_view(), name="recording-pieces"),
    path(f"{_RECORDING}/finish", recordings.RecordingFinishView.as_view(), name="recording-finish"),
]
