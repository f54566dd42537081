"""`manage.py work`: only run jobs, until the process is told to stop."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Run jobs: the same as `serve --roles jobs`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--node", default="", help="name of this machine, for the log of jobs")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("serve", roles="jobs", node=options["node"], stdout=self.stdout)
