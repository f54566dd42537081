"""`/ws/jobs/`: progress of jobs, for pages that show them."""

from __future__ import annotations

from accounts.access import Scope
from recognition.jobs.kinds import KINDS
from recognition.jobs.payloads import JobMessage
from recognition.jobs.selectors import may_see
from recognition.live.ws.groups import GroupConsumer
from recognition.live.ws.outbox import encoded
from recognition.notices.publish import ALL_JOBS, jobs_group
from recognition.web.boundaries import AsgiDict


class JobsConsumer(GroupConsumer):
    """For each caller who may start jobs of some kind; it sends jobs of these kinds only."""

    limit_factor = 4

    @property
    def scope_needed(self) -> str:  # type: ignore[override]
        scopes = [kind.scope for kind in KINDS.values()]
        return next(filter(self.access.may, scopes), Scope.MANAGE)

    def groups_to_join(self) -> tuple[str, ...]:
        limit = self.access.collection_id
        return (jobs_group(limit) if limit else ALL_JOBS,)

    async def pass_on(self, message: AsgiDict) -> None:
        told: JobMessage = {"type": "job", "job": message["job"]}
        job = told["job"]
        if self.is_open and may_see(self.access, kind=job["kind"], collection=job["collection"]):
            await self.send(text_data=encoded(told))
