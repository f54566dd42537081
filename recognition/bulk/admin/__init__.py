"""Imports and exports in the admin."""

from recognition.bulk.admin import exports, imports

__all__ = ["exports", "imports"]
