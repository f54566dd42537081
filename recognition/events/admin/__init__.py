"""Pages of the admin for events, and its start page."""

from recognition.events.admin import events  # noqa: F401
