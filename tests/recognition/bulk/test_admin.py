"""Imports and exports in the admin."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.access import Role
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.people.models import Collection, Person
from tests.answers import streamed
from tests.factories import enrol, make_event, make_person, make_user
from tests.fakes import FakeEngine, photo
from tests.recognition.admin_pages import act, address, page, told
from tests.recognition.bulk.zips import people_zip, sent, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import stored_files

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(Role.OPERATOR))
    return client


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(make_user(Role.ADMINISTRATOR))
    return client


def report(run: ImportRun) -> str:
    return address("bulk_importrun_change", run.pk)


class TestImport:
    def test_page_to_send_names_collections_and_limits(
        self, operator: Client, collection: Collection
    ) -> None:
        text = page(operator.get(address("bulk_importrun_add")))
        assert f'value="{collection.pk}">Main<' in text
        assert "up to 20 GB" in text
        assert 'data-piece-bytes="8388608"' in text

    def test_report_shows_counts_reasons_and_photos(
        self, operator: Client, collection: Collection
    ) -> None:
        files = {"Ann/1.jpg": photo(1), "Ann/two.jpg": photo(1, 2), "Ann/no.jpg": photo()}
        run = started(collection, zip_of(files))
        run_jobs()
        text = page(operator.get(report(run)))
        assert "2 faces were found in the picture: send one of one person" in text
        assert "No face was found in the picture." in text
        assert text.count("Enrol this face after all") == 1
        assert f"/api/v1/imports/{run.pk}/report.csv" in text
        only = page(operator.get(report(run) + "?show=no_face"))
        assert "Ann/no.jpg" in only
        assert "Ann/two.jpg" not in only
        enrolled = page(operator.get(report(run) + "?show=enrolled"))
        assert "Ann/1.jpg" in enrolled
        listed = page(operator.get(address("bulk_importrun_changelist")))
        assert "1 of 3 enrolled" in listed

    def test_refused_face_is_enrolled_after_all_by_a_button(
        self, operator: Client, collection: Collection
    ) -> None:
        run = started(collection, zip_of({"Ann/two.jpg": photo(1, 2)}))
        run_jobs()
        answer = operator.post(report(run), {"enrol": "0"})
        assert told(answer) == ["The face is enrolled as Ann."]
        assert Person.objects.get().images.count() == 1
        assert told(operator.post(report(run), {"enrol": "0"}))[-1].startswith(
            "The refusal of this photo"
        )

    def test_import_is_cancelled_and_deleted(
        self, operator: Client, collection: Collection
    ) -> None:
        run = started(collection, people_zip())
        assert 'value="cancel"' in page(operator.get(report(run)))
        operator.post(report(run), {"do": "cancel"})
        run.refresh_from_db()
        assert run.state == ImportRun.State.OVER
        page(operator.get(address("bulk_importrun_delete", run.pk)))
        operator.post(address("bulk_importrun_delete", run.pk), {"post": "yes"})
        assert not ImportRun.objects.exists()
        assert stored_files() == set()

    def test_import_that_waits_for_its_archive_says_so(
        self, operator: Client, collection: Collection
    ) -> None:
        run = sent(collection, people_zip())
        assert "Send the rest" in page(operator.get(report(run)))

    def test_long_report_comes_in_pages(self, operator: Client, collection: Collection) -> None:
        run = started(collection, people_zip())
        ImportItem.objects.bulk_create(
            ImportItem(run=run, number=n, path=f"x/{n}", state="refused", code="no_face")
            for n in range(120)
        )
        ImportRun.objects.update(is_planned=True)
        assert "Page 2 of 3" in page(operator.get(report(run) + "?page=2"))

    def test_viewer_sees_no_imports(self, client: Client, collection: Collection) -> None:
        client.force_login(make_user(Role.VIEWER))
        run = sent(collection, people_zip())
        assert client.get(report(run)).status_code == 403
        assert client.get(address("bulk_importrun_add")).status_code == 403


class TestExport:
    def test_export_is_begun_listed_downloaded_and_deleted(
        self, administrator: Client, collection: Collection
    ) -> None:
        enrol(make_person(collection), 1)
        page(administrator.get(address("bulk_export_add")))
        values = {"collection": str(collection.pk)}
        assert administrator.post(address("bulk_export_add"), values).status_code == 302
        run_jobs()
        export = Export.objects.get()
        listed = page(administrator.get(address("bulk_export_changelist")))
        assert f"/api/v1/exports/{export.pk}/file" in listed
        page(administrator.get(address("bulk_export_change", export.pk)))
        administrator.post(address("bulk_export_delete", export.pk), {"post": "yes"})
        assert not Export.objects.exists()

    def test_operator_can_export_nothing(self, operator: Client) -> None:
        assert operator.get(address("bulk_export_changelist")).status_code == 403


class TestTables:
    def test_chosen_people_are_downloaded(self, operator: Client, person: Person) -> None:
        make_person(person.collection, name="Other")
        answer = act(operator, "people_person", "download_people", person)
        text = streamed(answer).decode()
        assert person.name in text
        assert "Other" not in text

    def test_chosen_events_are_downloaded(self, operator: Client, person: Person) -> None:
        event = make_event(person=person)
        other = make_event(person=person)
        text = streamed(act(operator, "events_event", "download_events", event)).decode()
        assert str(event.pk) in text
        assert str(other.pk) not in text
