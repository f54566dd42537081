"""What the admin pages of all apps share."""

from recognition.web.admin import actions  # noqa: F401
