"""People, collections, models and API keys in the admin."""

from recognition.people.admin import collections, keys, models, people  # noqa: F401
