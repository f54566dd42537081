"""The progress of a job that runs in one process, seen by a page of another process."""

from __future__ import annotations

import os
from typing import Any

import pytest
from channels.db import database_sync_to_async

from accounts.access import Scope
from tests.recognition.jobs.workers import StartWorker, start_job
from tests.recognition.live.ws.sockets import issue_key, opened

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("kinds_for_tests")]


@pytest.mark.redis
async def test_progress_reaches_the_page_of_another_process(
    start_worker: StartWorker, settings: Any
) -> None:
    url = os.environ.get("REDIS_URL_TEST")
    if not url:
        pytest.skip("no Redis: set REDIS_URL_TEST, or use `make test`")
    # As in the settings: redis-py's own limit would close a socket that is idle for 5 s.
    config = {"hosts": [{"address": url, "socket_timeout": 15}]}
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
    settings.CHANNEL_LAYERS = {"default": layer}
    async with opened("/ws/jobs/", secret=await issue_key(Scope.MANAGE)) as socket:
        await database_sync_to_async(start_worker)(REDIS_URL=url)
        job = await database_sync_to_async(start_job)(steps=20, pause_s=0.1)
        told = [(await socket.hear())["job"]]
        while told[-1]["state"] in ("queued", "running"):
            told.append((await socket.hear())["job"])
        assert {one["id"] for one in told} == {str(job.pk)}
        assert told[-1]["state"] == "done"
        shown = [one["progress"] for one in told if one["state"] == "running"]
        assert shown == sorted(shown)
        assert len([fraction for fraction in shown if 0 < fraction < 1]) >= 2
