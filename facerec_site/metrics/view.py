"""`/metrics`, for Prometheus: the processes of this machine, and the rows of the database."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from facerec_site.errors import ErrorAnswer, error_response
from facerec_site.metrics.rows import with_rows
from facerec_site.metrics.sampling import Sampler
from recognition.web.metrics import Metrics
from recognition.web.process import process

_OFF = ErrorAnswer(
    403, "metrics_off", "The site has no METRICS_TOKEN, so nobody reads its figures."
)
_NO_TOKEN = ErrorAnswer(401, "not_authenticated", "Send `Authorization: Bearer METRICS_TOKEN`.")

_BUSY = ErrorAnswer(503, "metrics_busy", "Another process keeps the figures.", retry_after_s=5)


class _Figures(Collector):
    def collect(self) -> Iterable[Metric]:
        return with_rows(process().part(Metrics).read())


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Only for the holder of METRICS_TOKEN: keys and sessions do not count here, so that a program
    that only watches cannot do anything else."""
    if not settings.METRICS_TOKEN:
        return error_response(_OFF, request)
    sent = request.headers.get("Authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        response = error_response(_NO_TOKEN, request)
        response["WWW-Authenticate"] = "Bearer"
        return response
    process().part(Sampler).sample()
    registry = CollectorRegistry()
    registry.register(_Figures())
    try:
        figures = generate_latest(registry)
    except TimeoutError:
        return error_response(_BUSY, request)
    return HttpResponse(figures, content_type=CONTENT_TYPE_LATEST)
