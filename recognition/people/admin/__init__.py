"""Pages of the admin for galleries and keys."""

from recognition.people.admin import collections, keys, people  # noqa: F401
