"""The pages hold little data: their scripts load it over REST and websockets."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import Scope, access_of
from recognition.cameras.selectors import camera_by_id
from recognition.web.errors import ServiceError


@require_safe
@login_required
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "live/live.html")


@require_safe
@login_required
@never_cache
def camera_page(request: HttpRequest, camera_id: UUID) -> HttpResponse:
    access = access_of(request)
    try:
        camera = camera_by_id(access, camera_id)
    except ServiceError as error:
        raise Http404(error.message) from error
    context = {"camera": camera, "may_edit": access.may(Scope.MANAGE)}
    return render(request, "live/camera.html", context)


@require_safe
@login_required
@never_cache
def try_it(request: HttpRequest) -> HttpResponse:
    return render(request, "live/try.html", {"max_image_mb": settings.MAX_IMAGE_MB})


@require_safe
@login_required
@never_cache
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "live/help.html")
