"""Writing the audit log. Services call `record`; their callers pass an `Actor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from accounts.access import Access, access_of
from accounts.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as written to the audit log."""

    name: str
    request_id: str = ""
    address: str | None = None

    @classmethod
    def of_request(cls, request: object) -> Actor:
        access = access_of(request)
        base = getattr(request, "_request", request)
        return cls(
            name=access.name,
            request_id=getattr(base, "request_id", ""),
            address=base.META.get("REMOTE_ADDR") or None,  # type: ignore[attr-defined]
        )

    @classmethod
    def of_scope(cls, scope: Mapping[str, Any]) -> Actor:
        """The actor behind a websocket. Behind a trusted proxy, the server has set `client` to the
        address that the proxy reports."""
        access: Access = scope["access"]
        client = scope.get("client")
        return cls(
            name=access.name,
            request_id=scope.get("request_id", ""),
            address=_address(client[0]) if client else None,
        )


# Views by one actor are collected in one entry, for this time after the first view and up to this
# number of views.
_VIEWS_WITHIN = timedelta(minutes=10)
_MOST_VIEWS = 200


def _address(text: str) -> str | None:
    """The address if `text` is one; None otherwise, such as for the path of a Unix socket."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None


SYSTEM = Actor("system")


def record(
    actor: Actor,
    action: str,
    target: object | None = None,
    *,
    target_type: str = "",
    target_id: object = "",
    collection_id: UUID | str | None = None,
    **details: object,
) -> None:
    """Write one entry, in the caller's transaction if there is one."""
    if target is not None:
        target_type = target._meta.model_name  # type: ignore[attr-defined]
        target_id = target.pk  # type: ignore[attr-defined]
    AuditEntry.objects.create(
        actor=actor.name[:200],
        action=action,
        target_type=target_type,
        target_id=str(target_id),
        collection_id=collection_id,
        request_id=actor.request_id,
        address=actor.address,
        details=details,
    )


def record_view(
    actor: Actor,
    picture: Model,
    *,
    person_id: UUID | None,
    collection_id: UUID,
    is_more: bool = False,
) -> None:
    """Record that a picture of a person was shown. A page shows many pictures, so several views
    share one entry. Its details list all pictures, and each person with the number of views.

    is_more: a further part of it is fetched, which is no view if the entry lists the picture.
    """
    seen = f"{picture._meta.model_name}:{picture.pk}"
    entries = AuditEntry.objects.filter(
        at__gte=timezone.now() - _VIEWS_WITHIN,
        action="image.view",
        actor=actor.name[:200],
        address=actor.address,
        collection_id=collection_id,
    )
    # Find the entry without locks and then lock only this one: a locking search could lock other
    # entries of these minutes, too.
    newest = list(entries.order_by("-id").values_list("pk", flat=True)[:1])
    with transaction.atomic():
        entry = AuditEntry.objects.select_for_update().filter(pk__in=newest).first()
        if entry is None or entry.details.get("views", _MOST_VIEWS) >= _MOST_VIEWS:
            details = _with_view({"views": 0, "pictures": [], "people": {}}, seen, person_id)
            record(actor, "image.view", picture, collection_id=collection_id, **details)
            return
        if is_more and seen in entry.details["pictures"]:
            return
        entry.details = _with_view(entry.details, seen, person_id)
        entry.save(update_fields=["details"])


def _with_view(details: dict[str, Any], seen: str, person_id: UUID | None) -> dict[str, Any]:
    people = dict(details["people"])
    if person_id is not None:
        people[str(person_id)] = people.get(str(person_id), 0) + 1
    pictures = details["pictures"] + [seen] * (seen not in details["pictures"])
    return {"views": details["views"] + 1, "pictures": pictures, "people": people}
