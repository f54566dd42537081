"""Public ids: UUIDs whose first bits are the time, so that new rows lie together in the index."""

from __future__ import annotations

import os
import time
import uuid

from django.db import models


def uuid7() -> uuid.UUID:
    """RFC 9562 version 7: 48 bits of Unix milliseconds, 12 bits of what is left of the time (a
    quarter of a microsecond), so that a list by id is a list by time, then random bits."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    value = milliseconds << 80 | fraction << 64 | int.from_bytes(os.urandom(8), "big")
    value = value | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


class BinaryCollatedCharField(models.CharField):
    """Text compared byte for byte on every database.

    MariaDB's usual collations hold "Ä" and "a" for equal; ids of other systems must not be folded.
    """

    def db_type(self, connection: object) -> str | None:
        base = super().db_type(connection)  # type: ignore[arg-type]
        if connection.vendor == "mysql" and base:  # type: ignore[attr-defined]
            return f"{base} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return base
