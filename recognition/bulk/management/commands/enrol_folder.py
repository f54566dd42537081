"""`manage.py enrol_folder COLLECTION PATH`: enrol a folder or a ZIP of photos."""

from __future__ import annotations

import csv
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from accounts.audit import SYSTEM
from recognition.bulk.models import ImportRun
from recognition.bulk.selectors import outcome_counts
from recognition.bulk.services.folders import folder_import
from recognition.bulk.services.imports import import_cancel, import_close_left
from recognition.bulk.services.report import REPORT_COLUMNS, report_rows
from recognition.jobs.foreground import run_here
from recognition.people.management.collections import collection_named
from recognition.web.boundaries import CommandOptions
from recognition.web.errors import ServiceError
from recognition.web.streaming import csv_cell

_LOOK_EVERY_S = 1.0
_MEGABYTE = 2**20


class Command(BaseCommand):
    help = (
        "Enrol a folder of photos (with a folder for each person, or with a CSV), a ZIP of such a "
        "folder, or an export of a collection. After Ctrl-C the workers of the site continue; "
        "--resume continues here, and --cancel ends the import."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("collection", help="name or id of the collection")
        parser.add_argument("path", type=Path, nargs="?", help="a folder or a ZIP")
        parser.add_argument("--resume", type=UUID, metavar="IMPORT", help="continue an import")
        parser.add_argument("--cancel", type=UUID, metavar="IMPORT", help="end an import")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as CSV")
        parser.add_argument("--no-wait", action="store_true", help="leave it to the site's workers")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = self._run(options)
        except ServiceError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"import {run.pk}")
        if not options["no_wait"] and not options["cancel"]:
            self._work(run)
        run.refresh_from_db()
        if options["report"]:
            _write_report(run, options["report"])
        self._tell_outcome(run)

    def _run(self, options: CommandOptions) -> ImportRun:
        collection = collection_named(options["collection"])
        known = options["resume"] or options["cancel"]
        if known:
            run = collection.imports.filter(pk=known).first()
            if run is None:
                raise CommandError(f"There is no import {known} in this collection.")
            if options["cancel"]:
                import_cancel(run=run, actor=SYSTEM)
            return run
        path = options["path"]
        if path is None or not path.exists():
            raise CommandError("Give the path of a folder or a ZIP that exists.")
        return folder_import(collection=collection, path=path, actor=SYSTEM, told=self._tell_copied)

    def _work(self, run: ImportRun) -> None:
        over = threading.Event()
        teller = threading.Thread(target=self._tell_progress, args=(run.pk, over), daemon=True)
        teller.start()
        try:
            run_here(run.KIND, [run], import_close_left)
        finally:
            over.set()
            teller.join()

    def _tell_progress(self, pk: UUID, over: threading.Event) -> None:
        last = ""
        while not over.wait(_LOOK_EVERY_S):
            message = ImportRun.objects.filter(pk=pk).values_list("job__message", flat=True).first()
            if message and message != last:
                self.stdout.write(message)
                self.stdout.flush()
                last = message
        connections.close_all()

    def _tell_copied(self, done: int, total: int) -> None:
        self.stdout.write(f"{done // _MEGABYTE} of about {total // _MEGABYTE} MB copied")
        self.stdout.flush()

    def _tell_outcome(self, run: ImportRun) -> None:
        for name, count in sorted(outcome_counts(run).items()):
            self.stdout.write(f"{count:8} {name}")
        if run.state != ImportRun.State.OVER:
            self.stdout.write(f"The rest is left to the site's workers, or --resume {run.pk}.")


def _write_report(run: ImportRun, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(REPORT_COLUMNS)
        writer.writerows([csv_cell(value) for value in row] for row in report_rows(run))
