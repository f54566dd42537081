"""The life of an import: its archive arrives in pieces, and it ends, is cancelled or swept."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from recognition.bulk.models import Archive, ImportItem, ImportRun, Piece
from recognition.bulk.services import archives, imports
from recognition.bulk.services.imports import (
    bulk_sweep,
    import_cancel,
    import_create,
    import_delete,
    import_finish,
)
from recognition.bulk.services.uploads import upload_piece
from recognition.jobs.models import Job
from recognition.jobs.services import job_retry
from recognition.people.models import Collection, FaceImage, Person
from recognition.web.errors import ServiceError
from tests.factories import ACTOR
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.zips import outcomes, people_zip, sent, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


class TestUpload:
    def test_upload_goes_on_where_it_stopped(self, collection: Collection) -> None:
        data = people_zip()
        run = import_create(collection=collection, name="a", size=len(data), actor=ACTOR)
        assert upload_piece(upload=run, offset=0, data=data[:100]) == 100
        # The answer was lost: the same piece again.
        assert upload_piece(upload=run, offset=0, data=data[:100]) == 100
        run.refresh_from_db()
        with pytest.raises(ServiceError) as refused:
            upload_piece(upload=run, offset=200, data=data[200:])
        assert (refused.value.code, refused.value.details["received"]) == ("wrong_offset", 100)
        with pytest.raises(ServiceError, match="bytes have arrived"):
            import_finish(run=run, actor=ACTOR)
        upload_piece(upload=run, offset=100, data=data[100:])
        import_finish(run=ImportRun.objects.get(pk=run.pk), actor=ACTOR)
        run_jobs()
        assert FaceImage.objects.count() == 6

    def test_piece_that_differs_from_what_is_there_is_refused(self, collection: Collection) -> None:
        run = import_create(collection=collection, name="a", size=1000, actor=ACTOR)
        upload_piece(upload=run, offset=0, data=b"a" * 100)
        run.refresh_from_db()
        for data in (b"b" * 100, b"a" * 99):
            with pytest.raises(ServiceError, match="100 bytes have arrived"):
                upload_piece(upload=run, offset=0, data=data)
        assert len(stored_files()) == 1

    def test_more_than_was_announced_is_refused(self, collection: Collection) -> None:
        run = import_create(collection=collection, name="a", size=100, actor=ACTOR)
        with pytest.raises(ServiceError, match="announced"):
            upload_piece(upload=run, offset=0, data=b"a" * 101)
        assert stored_files() == set()

    def test_archive_over_the_limit_is_refused(self, collection: Collection, settings: Any) -> None:
        settings.MAX_IMPORT_GB = 1
        with pytest.raises(ServiceError) as refused:
            import_create(collection=collection, name="a", size=2**30 + 1, actor=ACTOR)
        assert (refused.value.code, refused.value.status) == ("archive_too_large", 413)
        assert not ImportRun.objects.exists()

    def test_archive_without_room_for_it_is_refused(
        self, collection: Collection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bytes that other uploads have announced count, too."""
        monkeypatch.setattr(archives, "_free_bytes", lambda: 2**30)
        import_create(collection=collection, name="a", size=300 * 2**20, actor=ACTOR)
        with pytest.raises(ServiceError) as refused:
            import_create(collection=collection, name="a", size=300 * 2**20, actor=ACTOR)
        assert (refused.value.code, refused.value.status) == ("storage_full", 507)

    def test_finish_twice_starts_one_job(self, collection: Collection) -> None:
        run = sent(collection, people_zip())
        first = import_finish(run=run, actor=ACTOR)
        assert import_finish(run=run, actor=ACTOR).job_id == first.job_id
        assert Job.objects.filter(kind="import").count() == 1

    def test_piece_after_the_start_is_refused(self, collection: Collection) -> None:
        run = started(collection, people_zip())
        with pytest.raises(ServiceError, match="already has its file"):
            upload_piece(upload=run, offset=0, data=b"a")


class TestEnd:
    def test_cancel_of_an_import_that_waits_leaves_nothing(self, collection: Collection) -> None:
        run = started(collection, people_zip())
        import_cancel(run=run, actor=ACTOR)
        run.refresh_from_db()
        assert (run.state, stored_files()) == (ImportRun.State.OVER, set())
        assert not Person.objects.exists()

    def test_cancel_of_a_running_import_keeps_what_is_enrolled(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = started(collection, people_zip())
        find, calls = engine.find, []

        def cancelling(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 3:
                Job.objects.update(cancel_requested=True)
            return find(*args, **kwargs)

        monkeypatch.setattr(engine, "find", cancelling)
        run_jobs()
        run.refresh_from_db()
        assert run.state == ImportRun.State.OVER
        assert Counter(outcomes(run).values()) == {"accepted": 2, "cancelled": 4}
        assert Job.objects.get(kind="import").state == Job.State.CANCELLED
        assert_consistent(collection)

    def test_sweep_closes_imports_whose_job_is_gone(self, collection: Collection) -> None:
        run = started(collection, people_zip())
        Job.objects.filter(kind="import").delete()
        assert bulk_sweep() == 1
        run.refresh_from_db()
        assert (run.state, stored_files()) == (ImportRun.State.OVER, set())

    def test_sweep_removes_uploads_that_nobody_goes_on_with(self, collection: Collection) -> None:
        sent(collection, people_zip())
        new = sent(collection, people_zip())
        Archive.objects.exclude(pk=str(new.archive_id)).update(updated_at="2026-01-01T00:00Z")
        assert bulk_sweep() == 1
        assert list(ImportRun.objects.all()) == [new]
        assert stored_files() == set(Piece.objects.values_list("file", flat=True))

    def test_sweep_removes_old_reports_with_their_photos(self, collection: Collection) -> None:
        started(collection, zip_of({"Ann/two.jpg": photo(1, 2)}))
        run_jobs()
        assert len(stored_files()) == 1
        ImportRun.objects.update(ended_at="2026-01-01T00:00Z")
        assert bulk_sweep() == 1
        assert not ImportRun.objects.exists()
        assert stored_files() == set()

    def test_sweep_removes_files_that_no_row_names(self, collection: Collection) -> None:
        run = sent(collection, people_zip())
        Piece.objects.all().delete()
        assert archives.archives_sweep() == 0, "it may be on its way"
        assert archives.archives_sweep(grace=imports.timedelta(0)) == 1
        assert stored_files() == set()
        assert run.archive is not None

    def test_import_is_deleted_with_all_but_its_people(self, collection: Collection) -> None:
        run = started(collection, zip_of({"Ann/1.jpg": photo(1), "Ann/two.jpg": photo(1, 2)}))
        with pytest.raises(ServiceError, match="Cancel its job"):
            import_delete(run=run, actor=ACTOR)
        run_jobs()
        import_delete(run=ImportRun.objects.get(pk=run.pk), actor=ACTOR)
        assert not ImportItem.objects.exists()
        assert Person.objects.get().name == "Ann"
        assert_consistent(collection)

    def test_archive_whose_piece_is_lost_fails_the_import(self, collection: Collection) -> None:
        run = started(collection, people_zip())
        piece = Piece.objects.get()
        piece.file.storage.delete(str(piece.file.name))
        run_jobs()
        job = Job.objects.get(kind="import")
        assert (job.state, job.error_code) == (Job.State.FAILED, "archive_lost")
        run.refresh_from_db()
        assert run.state == ImportRun.State.OVER


def test_import_that_is_started_again_stays_open(collection: Collection) -> None:
    run = started(collection, people_zip())
    Job.objects.update(state=Job.State.FAILED, error_code="worker_lost")
    run.refresh_from_db()
    assert run.job is not None
    job_retry(job=run.job, actor=ACTOR)
    bulk_sweep()
    run.refresh_from_db()
    assert run.state == ImportRun.State.STARTED
    assert run_jobs() == 1
    assert FaceImage.objects.count() == 6
