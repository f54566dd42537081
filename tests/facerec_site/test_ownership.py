"""Two web processes and two that play cameras and run jobs, killed and paused at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.access import Scope
from accounts.models import ApiKey
from recognition.jobs.models import Job
from tests.databases import database_url
from tests.facerec_site.figures import TOKEN, fetched, value
from tests.facerec_site.house import House, Rounds, nothing_doubled, until
from tests.facerec_site.in_force import Site, measure_delays
from tests.factories import make_collection
from tools.private_redis import RedisServer

pytestmark = [
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="several processes need a server"),
]
ROUNDS = 5


@pytest.fixture
def house(tmp_path: Path, redis: RedisServer, settings: Any) -> Iterator[House]:
    settings.LEASE_S = 2.0
    key = ApiKey.issue(name="all", scopes=[Scope.IDENTIFY, Scope.EVENTS, Scope.ENROL])[1]
    made = House(
        tmp_path / "var",
        make_collection(name="Main"),
        key=key,
        redis_url=redis.url,
        METRICS_TOKEN=TOKEN,
        DATABASE_URL=database_url(),
    )
    with made.standing():
        yield made


@pytest.mark.timeout(1200)
def test_processes_that_are_killed_or_paused_lose_nothing_and_double_nothing(house: House) -> None:
    rounds = Rounds(house, seed=1)
    with nothing_doubled():
        done = [rounds.run("back1", "pause"), rounds.run("back2", "kill"), rounds.run("web1")]
        done += [rounds.run() for _ in range(ROUNDS - len(done))]
        house.settle()
    assert all(one.cameras and one.taken_over_s is not None for one in done[:2])
    assert all(one.taken_over_s < 30 for one in done if one.taken_over_s is not None)
    assert all(one.previews_s for one in done)
    # The next one waits for its hour.
    assert Job.objects.filter(kind="upkeep").exclude(started_at=None).count() == 1
    assert Job.objects.filter(kind="upkeep", started_at=None).count() == 1


def test_changes_and_figures_of_one_process_show_in_another(house: House) -> None:
    here, there = (Site(house.members[name].url, house.key) for name in ("web1", "web2"))
    delays = measure_delays(here, there, house.collection, times=3)
    # Half a second on a machine with nothing else to do.
    assert max(delays.all) < 10
    _figures_are_of_all_processes_until_they_are_killed(house)


def _figures_are_of_all_processes_until_they_are_killed(house: House) -> None:
    url = house.members["web1"].url
    before = fetched(url)
    assert {role: value(before, "facerec_processes", role=role) for role in ("web", "cameras")} == {
        "web": 2, "cameras": 2,
    }  # fmt: skip
    assert value(before, "facerec_frames_total") > 0
    identified = {"route": "api/v1/identify", "method": "POST"}
    assert value(before, "facerec_requests_total", **identified) >= 3  # asked of web2
    answered = value(before, "facerec_frames_total", result="answered")
    house.members["back1"].kill()
    house.members["web2"].kill()
    after = fetched(url)
    assert value(after, "facerec_processes", role="cameras") == 1
    assert value(after, "facerec_processes", role="web") == 1
    assert value(after, "facerec_frames_total", result="answered") >= answered
    assert value(after, "facerec_requests_total", **identified) >= value(
        before, "facerec_requests_total", **identified
    )
    lost = "facerec_streams"
    until(lambda: value(fetched(url), lost, state="lost") == 0, "lost streams were not closed")
