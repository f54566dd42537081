"""Public ids: UUIDs that begin with the time, so that new rows are neighbours in the index."""

from __future__ import annotations

import os
import time
import uuid

from django.db import models


def uuid7() -> uuid.UUID:
    """RFC 9562 version 7: 48 bits of Unix milliseconds, 12 bits for the rest of the time (a quarter
    of a microsecond), then random bits. So a list by id is a list by time."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    value = milliseconds << 80 | fraction << 64 | int.from_bytes(os.urandom(8), "big")
    value = value | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


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
