"""A worker for tests: the command, with the kinds of `kinds_for_tests` alone."""

from __future__ import annotations

import os


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    import django

    django.setup()

    from django.core.management import call_command
    from django.db import connections

    from recognition.jobs.kinds import KINDS
    from tests.recognition.jobs.kinds_for_tests import TEST_KINDS

    if connections.settings["default"]["ENGINE"].endswith("sqlite3"):
        # Report a locked file sooner than after 30 s.
        connections.settings["default"]["OPTIONS"]["timeout"] = 1
    KINDS.clear()
    KINDS.update(TEST_KINDS)
    call_command("work", node="test")


if __name__ == "__main__":
    main()
