"""Code shared by the admin pages of all apps."""

from recognition.web.admin import actions  # noqa: F401
