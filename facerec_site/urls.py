"""Every address of the site."""

from __future__ import annotations

from typing import NoReturn

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LogoutView
from django.http import Http404, HttpRequest
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from facerec_site import health
from facerec_site.metrics.view import metrics
from facerec_site.sign_in import SignInView


def no_such_page(request: HttpRequest, address: str) -> NoReturn:
    raise Http404


urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics, name="metrics"),
    path("accounts/login/", SignInView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    # The admin has no sign-in page of its own; `next` is passed on to ours.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    # The admin's "view on site" would look for a page of the row outside of the admin; none exists.
    path("admin/r/<path:address>", admin.site.admin_view(no_such_page)),
    path("admin/", admin.site.urls),
    path("api/v1/", include("recognition.people.api.urls")),
    path("api/v1/", include("recognition.bulk.api.urls")),
    path("api/v1/", include("recognition.training.api.urls")),
    path("api/v1/", include("recognition.events.api.urls")),
    path("api/v1/", include("recognition.cameras.api.urls")),
    path("api/v1/", include("recognition.jobs.api.urls")),
    path("api/v1/", include("recognition.notices.api.urls")),
    path(
        "api/schema/",
        SpectacularAPIView.as_view(
            renderer_classes=[OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer],
            http_method_names=["get", "head"],
        ),
        name="schema",
    ),
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="schema")),
        name="docs",
    ),
    path("", include("recognition.live.pages.urls")),
]

handler400 = "facerec_site.errors.bad_request"
handler403 = "facerec_site.errors.forbidden"
handler404 = "facerec_site.errors.not_found"
handler500 = "facerec_site.errors.server_error"
