"""Events, the audit log and the start page in the admin."""

from recognition.events.admin import audit, events, recordings  # noqa: F401
