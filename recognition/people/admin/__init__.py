"""People, collections, models and API keys in the admin."""

from recognition.people.admin import collections, keys, people  # noqa: F401
