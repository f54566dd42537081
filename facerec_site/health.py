"""Health for whoever supervises the process: is it alive, and can it do its work?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.common import CommonMiddleware
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import Scope, access_of_user
from recognition.engine import engine_state, engine_stats
from recognition.people.index import GalleryLoader
from recognition.web.database_room import DatabaseRoom
from recognition.web.process import process
from recognition.web.storage import Problem, media_problem

logger = logging.getLogger(__name__)

PATHS = "/health/"
OK = "ok"
DOWN = "down"
LOADING = "loading"
# Below the second that a supervisor waits for a probe by default.
CHANNEL_TIMEOUT_S = 0.7
# Without these a process goes on with everything but live notices: it still takes requests.
_DISPENSABLE = frozenset({"channel_layer"})
# So it does in these states: it stores nothing new, but reads, recognises and deletes.
_SERVES = frozenset(Problem)


class HostMiddleware(CommonMiddleware):
    """Django's own, which refuses hosts that are not ours; but a probe asks by an address that no
    list of hosts can know."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path.startswith(PATHS) else super().process_request(request)


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is asked, so that a lost database kills no process."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """503 while a part is missing that requests need. `missing` names every part that does not
    answer, or stores nothing new (`full`, `read_only`, `gone`); if requests can do without all of
    these, the status is `degraded`, with 200. An administrator who is signed in is also told the
    counters of the engine's queues."""
    parts = {name: check() for name, check in _CHECKS.items()}
    missing = [name for name, state in parts.items() if state != OK]
    is_ready = all(name in _DISPENSABLE or parts[name] in _SERVES for name in missing)
    status = ("degraded" if missing else "ready") if is_ready else "not_ready"
    body: dict[str, Any] = {"status": status, "parts": parts, "missing": missing}
    # Without the database nobody can be known.
    if parts["database"] != DOWN and access_of_user(request.user).may(Scope.MANAGE):
        body["engine"] = engine_stats()
    response = JsonResponse(body, status=200 if is_ready else 503)
    if not is_ready:
        response["Retry-After"] = "2"
        # "Not yet" is an answer, not an error to be logged at every probe.
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
    except (DatabaseError, InterfaceError):  # the database's own state says it
        return OK


def _engine() -> str:
    state = str(engine_state()["state"])
    # Without pages and cameras it is built for the first job that needs it.
    is_not_needed = state == "off" and process().roles == {"jobs"}
    return OK if state == "ready" or is_not_needed else state


def _galleries() -> str:
    """The first question to a gallery that is not loaded would wait for it, minutes if it is
    large."""
    return LOADING if process().part(GalleryLoader).is_loading else OK


def _channel_layer() -> str:
    try:
        async_to_sync(_message_goes_round)()
    except Exception as error:  # each error of the layer's client means the same here
        logger.warning("readiness: the channel layer does not answer: %r", error)
        return DOWN
    return OK


async def _message_goes_round() -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(CHANNEL_TIMEOUT_S):
        channel = await layer.new_channel("health")
        await layer.send(channel, {"type": "health.check"})
        await layer.receive(channel)


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "storage": _storage,
    "engine": _engine,
    "galleries": _galleries,
    "channel_layer": _channel_layer,
}
