"""Our own ids, and ids of other systems."""

from __future__ import annotations

from django.db import models

from accounts.identifiers import uuid7

__all__ = ["BinaryCollatedCharField", "uuid7"]


class BinaryCollatedCharField(models.CharField):
    """Text compared byte for byte on every database.

    MariaDB's usual collations treat "Ä" and "a" as equal, but ids of other systems must stay
    distinct.
    """

    def db_type(self, connection: object) -> str | None:
        base = super().db_type(connection)  # type: ignore[arg-type]
        if connection.vendor == "mysql" and base:  # type: ignore[attr-defined]
            return f"{base} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return base
