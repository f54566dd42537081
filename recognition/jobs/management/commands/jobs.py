"""`manage.py jobs list|show|start|cancel|retry`: manage jobs on the command line."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import SYSTEM
from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_detail
from recognition.jobs.services import job_cancel, job_retry, job_start
from recognition.web.boundaries import CommandOptions
from recognition.web.errors import ServiceError


class Command(BaseCommand):
    help = "List or show jobs, start or cancel a job, or start a job again that has ended."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest jobs")
        listing.add_argument("--state", choices=Job.State.values)
        listing.add_argument("--kind", choices=list(KINDS))
        listing.add_argument("--most", type=int, default=20)
        for verb in ("show", "cancel", "retry"):
            verbs.add_parser(verb).add_argument("id", type=UUID)
        starting = verbs.add_parser("start", help="put a job in the queue")
        starting.add_argument("kind", choices=list(KINDS))
        starting.add_argument("--collection", type=UUID, help="id of the collection")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except ServiceError as error:
            raise CommandError(error.message) from error

    def _list(self, options: CommandOptions) -> None:
        rows = Job.objects.all()
        for name in ("state", "kind"):
            rows = rows.filter(**{name: options[name]}) if options[name] else rows
        for job in rows[: options["most"]]:
            self._line(job)

    def _show(self, options: CommandOptions) -> None:
        told = dict(job_detail(_job(options["id"])))
        log = told.pop("log")
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        self.stdout.write(str(log))

    def _start(self, options: CommandOptions) -> None:
        self._line(job_start(kind=options["kind"], collection=options["collection"], actor=SYSTEM))

    def _cancel(self, options: CommandOptions) -> None:
        self._line(job_cancel(job=_job(options["id"]), actor=SYSTEM))

    def _retry(self, options: CommandOptions) -> None:
        self._line(job_retry(job=_job(options["id"]), actor=SYSTEM))

    def _line(self, job: Job) -> None:
        done = f"{job.progress:4.0%}"
        self.stdout.write(f"{job.pk}  {job.kind:14} {job.state:10} {done}  {job.message}".rstrip())


def _job(pk: UUID) -> Job:
    job = Job.objects.filter(pk=pk).first()
    if job is None:
        raise CommandError(f"There is no job {pk}.")
    return job
