"""Writing the audit log. Services call `record`; edges say who acts with an `Actor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from accounts.access import Access, access_of
from accounts.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit log names them."""

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
        """Of a websocket. The server puts there who a trusted proxy says is the client."""
        access: Access = scope["access"]
        client = scope.get("client")
        return cls(name=access.name, address=_address(client[0]) if client else None)


def _address(text: str) -> str | None:
    """None for what is none, such as the path of a Unix socket."""
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
