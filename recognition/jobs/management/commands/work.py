"""`manage.py work`: run jobs, and nothing else, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from recognition.notices import publish
from recognition.web.process import Process, process, use_process

# Jobs stop at their next step; container runtimes wait 30 seconds.
DRAIN_S = 20.0


class Command(BaseCommand):
    help = "Run jobs from the queue. Any number of workers may run on one database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--node", default="", help="name of this machine, for the log of jobs")

    def handle(self, *args: Any, **options: Any) -> None:
        use_process(Process(roles=["jobs"], node=options["node"]))
        asyncio.run(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        # With Redis, pages of other processes see the progress of jobs that run here.
        publish.set_loop(loop)
        process().start()
        self.stdout.write("The worker waits for jobs (stop it with Ctrl-C)")
        self.stdout.flush()
        await stopped.wait()
        if not await asyncio.to_thread(process().stop, DRAIN_S):
            self.stderr.write("A job was broken off; another worker begins it again.")
