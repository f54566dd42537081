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
from tests.facerec_site.house import House, Rounds, nothing_doubled
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


def test_changes_through_one_process_count_in_another(house: House) -> None:
    here, there = (Site(house.members[name].url, house.key) for name in ("web1", "web2"))
    delays = measure_delays(here, there, house.collection, times=3)
    # Half a second on a machine with nothing else to do.
    assert max(delays.all) < 10
