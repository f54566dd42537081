"""`/ws/jobs/`: jobs as they go on."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.access import Role, Scope
from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job
from recognition.jobs.services import job_cancel, job_start
from recognition.notices import publish
from recognition.people.models import Collection
from tests.factories import ACTOR, make_collection, make_user
from tests.recognition.jobs.kinds_for_tests import TEST_KINDS
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.live.ws.sockets import issue_key, opened, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


@database_sync_to_async
def start(collection: UUID, kind: str = "measure") -> Job:
    return job_start(kind=kind, collection=collection, actor=ACTOR)


async def test_jobs_socket_sends_a_job_from_start_to_end(collection: Collection) -> None:
    async with opened("/ws/jobs/", secret=await issue_key(Scope.MANAGE)) as socket:
        job = await start(collection.pk)
        told = await socket.hear()
        assert told["type"] == "job"
        assert (told["job"]["id"], told["job"]["state"]) == (str(job.pk), "queued")
        await database_sync_to_async(run_jobs)()
        states = [(await socket.hear())["job"]["state"]]
        while states[-1] == "running":
            states.append((await socket.hear())["job"]["state"])
        assert states[0] == "running"
        assert states[-1] == "failed"


async def test_cancelled_job_is_published(collection: Collection) -> None:
    job = await start(collection.pk)
    async with opened("/ws/jobs/", secret=await issue_key(Scope.MANAGE)) as socket:
        await database_sync_to_async(job_cancel)(job=job, actor=ACTOR)
        assert (await socket.hear())["job"]["state"] == "cancelled"


async def test_jobs_socket_without_a_job_scope_is_refused() -> None:
    for secret, code in ((await issue_key(Scope.EVENTS), 4403), ("frk_wrong", 4401)):
        async with opened("/ws/jobs/", secret=secret) as socket:
            assert await socket.closed_with() == code


async def test_a_browser_of_an_administrator_hears_jobs(collection: Collection) -> None:
    session = await sign_in(await database_sync_to_async(make_user)(Role.ADMINISTRATOR))
    headers = (("origin", "http://localhost"),)
    async with opened("/ws/jobs/", session=session, headers=headers) as socket:
        await start(collection.pk)
        assert (await socket.hear())["job"]["kind"] == "measure"


async def test_a_limited_key_hears_jobs_of_its_own_collection(collection: Collection) -> None:
    other = await database_sync_to_async(make_collection)()
    limited = await issue_key(Scope.MANAGE, collection=collection)
    async with opened("/ws/jobs/", secret=limited) as socket:
        await start(other.pk)
        mine = await start(collection.pk)
        assert (await socket.hear())["job"]["id"] == str(mine.pk)
        assert await socket.receive_nothing(0.2)


async def test_jobs_socket_hides_jobs_of_forbidden_kinds(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "enrol", TEST_KINDS["enrol"])
    async with opened("/ws/jobs/", secret=await issue_key(Scope.ENROL)) as socket:
        await start(collection.pk)
        mine = await start(collection.pk, "enrol")
        assert (await socket.hear())["job"]["id"] == str(mine.pk)


async def test_limited_key_hears_no_jobs_of_other_collections(
    collection: Collection,
) -> None:
    limited = await issue_key(Scope.MANAGE, collection=collection)
    async with opened("/ws/jobs/", secret=limited) as socket:
        for name, of in (("1", uuid4()), ("2", collection.pk)):
            job = {"id": name, "kind": "measure", "collection": str(of)}
            message = {"type": "job.published", "job": job}
            await get_channel_layer().group_send(publish.jobs_group(collection.pk), message)
        assert (await socket.hear())["job"]["id"] == "2"


async def test_jobs_socket_is_closed_with_4503_without_the_channel_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: Any) -> None:
        raise ConnectionError("away")

    secret = await issue_key(Scope.MANAGE)
    monkeypatch.setattr(get_channel_layer(), "group_add", fail)
    async with opened("/ws/jobs/", secret=secret) as socket:
        assert await socket.closed_with() == 4503
