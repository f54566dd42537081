"""Rows that a caller may see.

An API key may be limited to one collection. Rows outside of it count as missing, so that the owner
of the key does not learn about them. Views and consumers check the scopes.
"""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet

from accounts.access import Access
from recognition.web.errors import not_found

M = TypeVar("M", bound=Model)


def limited(rows: QuerySet[M], access: Access, field: str = "collection_id") -> QuerySet[M]:
    if not access.is_signed_in:
        return rows.none()
    if access.collection_id is None:
        return rows
    return rows.filter(**{field: access.collection_id})


def one(rows: QuerySet[M], pk: UUID, what: str) -> M:
    try:
        return rows.get(pk=pk)
    except ObjectDoesNotExist:
        raise not_found(what) from None
