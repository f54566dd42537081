"""The Django admin: it shows, asks, and calls services; no rule lives here."""

from recognition.admin import cameras, collections, events, keys, people

__all__ = ["cameras", "collections", "events", "keys", "people"]
