"""Events, the audit log and the start page in the admin."""

from recognition.events.admin import audit, events  # noqa: F401
