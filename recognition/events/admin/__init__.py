"""Pages of the admin for events and the audit log, and its start page."""

from recognition.events.admin import audit, events, recordings  # noqa: F401
