"""Health probes: is the process alive, and can it do its work?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.common import CommonMiddleware
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import Scope, access_of_user
from recognition.engine import engine_state, engine_stats
from recognition.notices.publish import in_loop
from recognition.people.index import GalleryLoader, snapshot_problems
from recognition.web.database_room import DatabaseRoom
from recognition.web.process import process
from recognition.web.storage import Problem, media_problem

logger = logging.getLogger(__name__)

# Of supervisors and of Prometheus, which call the process itself.
PATHS = ("/health/", "/metrics")
OK = "ok"
DOWN = "down"
LOADING = "loading"
# Supervisors wait 1 s for a probe by default; this must be less.
CHANNEL_TIMEOUT_S = 0.7
# Parts that are not needed to serve requests: without them only live notices stop.
_DISPENSABLE = frozenset({"channel_layer"})
# States in which a process still serves: it stores nothing new, but reads, recognises and deletes.
_SERVES = frozenset(Problem)


class HostMiddleware(CommonMiddleware):
    """CommonMiddleware refuses unknown hosts. Probes are let through: they call the process by an
    address that ALLOWED_HOSTS cannot list in advance."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path.startswith(PATHS) else super().process_request(request)


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is checked, so that no supervisor kills a process because
    the database is lost."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """503 while a part is missing that requests need. `missing` names every part that does not
    answer or that stores nothing new (`full`, `read_only`, `gone`). If requests can do without all
    missing parts, the answer is 200 with the status `degraded`. A signed-in administrator also gets
    the counters of the engine's queues, and what happened to snapshots of galleries."""
    parts = {name: check() for name, check in _CHECKS.items()}
    missing = [name for name, state in parts.items() if state != OK]
    is_ready = all(name in _DISPENSABLE or parts[name] in _SERVES for name in missing)
    status = ("degraded" if missing else "ready") if is_ready else "not_ready"
    body: dict[str, Any] = {"status": status, "parts": parts, "missing": missing}
    # Without the database nobody can be authenticated.
    if parts["database"] != DOWN and access_of_user(request.user).may(Scope.MANAGE):
        body["engine"] = engine_stats()
        body["snapshots"] = snapshot_problems()
    response = JsonResponse(body, status=200 if is_ready else 503)
    if not is_ready:
        response["Retry-After"] = "2"
        # "Not ready yet" is a normal answer: Django must not log each one as an error.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        logger.warning("readiness: the database does not answer: %s", error)
        return DOWN
    return process().part(DatabaseRoom).problem() or OK


def _storage() -> str:
    """The folder of pictures."""
    try:
        return media_problem() or OK
    except (DatabaseError, InterfaceError):  # reported as the state of the database
        return OK


def _engine() -> str:
    state = str(engine_state()["state"])
    # A process that only runs jobs builds the engine for the first job that needs it.
    is_not_needed = state == "off" and process().roles == {"jobs"}
    return OK if state == "ready" or is_not_needed else state


def _galleries() -> str:
    """`loading` until all galleries are loaded: a search in one that is not loaded waits for it,
    for minutes if it is large."""
    return LOADING if process().part(GalleryLoader).is_loading else OK


def _channel_layer() -> str:
    try:
        in_loop(_message_goes_round, 2 * CHANNEL_TIMEOUT_S)
    except Exception as error:  # any error of the layer's client means that it is down
        logger.warning("readiness: the channel layer does not answer: %r", error)
        return DOWN
    return OK


async def _message_goes_round() -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(CHANNEL_TIMEOUT_S):
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "health.check"})
        await layer.receive(channel)


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "storage": _storage,
    "engine": _engine,
    "galleries": _galleries,
    "channel_layer": _channel_layer,
}
