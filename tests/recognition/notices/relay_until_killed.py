"""A program for `test_relay`: runs the relay until it is killed."""

from __future__ import annotations

import os
import threading


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    import django

    django.setup()

    from django.conf import settings

    from recognition.notices import relay
    from recognition.web.process import Process, use_process

    settings.DELIVERY_RETRIES_S = [0.2] * 20
    relay.POLL_S = 0.05
    process = Process(roles=["jobs"])
    use_process(process)
    process.start()
    print("running", flush=True)  # noqa: T201
    threading.Event().wait()


if __name__ == "__main__":
    main()
