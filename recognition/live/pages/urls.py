from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from recognition.live.pages import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="live"), name="home"),
    path("live/", views.live, name="live"),
    path("cameras/<uuid:camera_id>/", views.camera_page, name="camera-page"),
    path("try/", views.try_it, name="try"),
    path("help/", views.help_page, name="help"),
]
