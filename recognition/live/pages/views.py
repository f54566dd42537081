"""The pages hold no data: their scripts load it over REST and websockets."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@login_required
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    return render(request, "live/live.html")


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
