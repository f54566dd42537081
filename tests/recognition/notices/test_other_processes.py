"""Changes by a command reach the pages and webhooks of a site that is running."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.facerec_site.site import ROOT, Served, environment_of, hear
from tests.recognition.notices.receivers import Receiver

_OPEN_EVENT = """
import django; django.setup()
from recognition.people.models import Person
from tests.factories import make_event
make_event(person=Person.objects.get())
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "var", "--", "--port", "0", WEBHOOK_ALLOW_INTERNAL="1")
    yield served
    served.kill()


def run(site: Served, *arguments: str) -> float:
    """Run another program on the site's database; returns when it has ended."""
    environment = environment_of(site.folder) | {
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings_test"
    }
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)
    return time.monotonic()


def add_webhook(site: Served, receiver: Receiver) -> None:
    headers = {
        "Authorization": f"Bearer {site.made['manage_key']}",
        "Content-Type": "application/json",
    }
    body = json.dumps({"url": receiver.url}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{site.url}/api/v1/webhooks", body, headers)
    ) as answer:
        assert answer.status == 201


async def test_erase_by_a_command_reaches_pages_and_webhooks(
    site: Served, receivers: Callable[..., Receiver]
) -> None:
    receiver = receivers()
    await asyncio.to_thread(add_webhook, site, receiver)
    person = site.made["person"]
    async with site.socket("/ws/events/", key="key") as page:
        ended_s = await asyncio.to_thread(run, site, "-c", _OPEN_EVENT)
        opened = (await hear(page))["event"]
        assert time.monotonic() - ended_s < 1.0
        assert (opened["kind"], opened["person"]["id"]) == ("opened", person)

        ended_s = await asyncio.to_thread(run, site, "manage.py", "erase", person)
        told = (await hear(page))["event"]
        assert time.monotonic() - ended_s < 1.0
        assert (told["id"], told["kind"], told["person"]) == (opened["id"], "updated", None)

    requests: list[Any] = await asyncio.to_thread(receiver.wait, 2)
    assert [request.message["type"] for request in requests] == ["event.opened", "person.erased"]
    assert requests[1].message["data"] == {"id": person, "collection": site.made["collection"]}
