"""The site in a process of its own, with a fake engine: run by `test_serve`.

Prints one line of JSON with what was made, and then what `serve` prints. The arguments after
`--` are those of `serve`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from typing import Any

NAME, PASSWORD = "root", "a-long-password"


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine-after-s", type=float, default=0.0)
    parser.add_argument("--slow-s", type=float, default=0.0, help="the engine's time for a picture")
    parser.add_argument("--slow-keys-s", type=float, default=0.0, help="time to look up a key")
    parser.add_argument("--handshake-s", type=float, help="the limit for a websocket's handshake")
    parser.add_argument("--flood", action="store_true", help="publish large events all the time")
    parser.add_argument("--tables", help="an SQLite file with all tables, to begin with")
    parser.add_argument("--join", action="store_true", help="the database is ready, and has rows")
    parser.add_argument("serve", nargs="*")
    options = parser.parse_args()

    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    if options.tables:
        assert not os.path.exists(settings.DATABASES["default"]["NAME"]), "a database is there"  # noqa: PTH110
        shutil.copy(options.tables, settings.DATABASES["default"]["NAME"])
    elif not options.join:
        call_command("migrate", verbosity=0)
    _fake_engine(options.engine_after_s, options.slow_s)
    _slow_keys(options.slow_keys_s)
    if options.handshake_s:
        from facerec_site import server

        server.HANDSHAKE_S = options.handshake_s
    made = {"pid": os.getpid()} if options.join else _make_rows()
    print(json.dumps(made), flush=True)  # noqa: T201
    if options.flood:
        _flood()
    sys.argv = ["manage.py", "serve", *options.serve]
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _fake_engine(after_s: float, slow_s: float) -> None:
    from recognition.engine import host
    from tests.fakes import FakeEngine

    class SlowEngine(FakeEngine):
        def find(self, *args: Any, **options: Any) -> Any:
            time.sleep(slow_s)
            return super().find(*args, **options)

    def load(config: object) -> FakeEngine:
        time.sleep(after_s)
        return SlowEngine()

    host.load_engine = load  # type: ignore[assignment]


def _slow_keys(slow_s: float) -> None:
    from accounts.models import ApiKey

    find = ApiKey.find

    def slow_find(secret: str) -> ApiKey | None:
        time.sleep(slow_s)
        return find(secret)

    ApiKey.find = slow_find  # type: ignore[method-assign]


def _make_rows() -> dict[str, Any]:
    from accounts.access import Scope
    from accounts.models import ApiKey, User
    from tests.factories import make_collection, make_person

    collection = make_collection(name="Main")
    person = make_person(collection, name="Ann")
    User.objects.create_superuser(NAME, password=PASSWORD)
    scopes: list[str] = [Scope.IDENTIFY, Scope.EVENTS, Scope.ENROL]
    return {
        "collection": str(collection.pk),
        "key": ApiKey.issue(name="all", scopes=scopes)[1],
        "person": str(person.pk),
        "manage_key": ApiKey.issue(name="manage", scopes=[Scope.MANAGE])[1],
        "detect_key": ApiKey.issue(name="detect", scopes=[Scope.DETECT])[1],
        "pid": os.getpid(),
    }


def _flood() -> None:
    from facerec_site import server
    from recognition.notices.publish import publish_event

    server._READS_WITHIN_S = 1.0

    def publish() -> None:
        payload = {"id": "1", "collection": "c", "kind": "opened", "filling": "x" * 200_000}
        while True:
            publish_event(payload, collection_id="c")
            time.sleep(0.01)

    threading.Thread(target=publish, daemon=True).start()


if __name__ == "__main__":
    main()
