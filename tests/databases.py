"""The database of the test run, for processes that a test starts."""

from __future__ import annotations

from django.db import connection


def database_url() -> str:
    """Of the database that this test uses."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    place = f"{values['HOST']}:{values['PORT'] or 3306}"
    return f"mysql://{values['USER']}:{values['PASSWORD']}@{place}/{values['NAME']}"
