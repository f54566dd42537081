"""Imports and exports over REST, and tables as CSV."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import pytest

from accounts.access import Scope
from accounts.models import AuditEntry
from recognition.bulk.models import ImportRun
from recognition.bulk.services.archives import MOST_PIECE_BYTES
from recognition.people.models import Collection, Person
from recognition.web.streaming import csv_cell
from tests.answers import good, refusal, streamed
from tests.callers import Caller, with_key
from tests.factories import enrol, make_collection, make_event, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.zips import people_zip, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import stored_files

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


def begin(api: Caller, data: bytes, **values: Any) -> Any:
    return good(api.post(f"{API}/imports", {"size": len(data), **values}), 201)


def put(api: Caller, run: str, data: bytes, offset: int = 0) -> Any:
    path = f"{API}/imports/{run}/pieces?offset={offset}"
    return api.send(path, data, "application/octet-stream", "PUT")


def table(answer: Any) -> list[dict[str, str]]:
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    text = streamed(answer).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


class TestImport:
    def test_import_in_pieces_with_report_and_overruled_refusal(
        self, api: Caller, collection: Collection
    ) -> None:
        data = zip_of({"Ann/1.jpg": photo(1), "Ann/two.jpg": photo(1, 2)})
        run = begin(api, data, name="staff.zip", collection=collection.pk)
        assert (run["state"], run["received"], run["size"]) == ("uploading", 0, len(data))
        for start in range(0, len(data), 2000):
            answer = good(put(api, run["id"], data[start : start + 2000], start))
        assert answer == {"received": len(data)}
        address = f"{API}/imports/{run['id']}"
        finished = good(api.post(f"{address}/finish"), 202)
        assert finished["job"]["kind"] == "import"
        run_jobs()
        ended = good(api.get(address))
        assert (ended["state"], ended["size"]) == ("over", None)
        assert ended["outcomes"] == {"enrolled": 1, "several_faces": 1}
        assert good(api.get(f"{API}/imports"))["results"] == [ended]

        items = good(api.get(f"{address}/items?state=refused"))["results"]
        assert [(item["file"], item["code"]) for item in items] == [
            ("Ann/two.jpg", "several_faces")
        ]
        number = items[0]["number"]
        picture = api.get(f"{address}/items/{number}/file")
        assert picture.content == photo(1, 2)
        rows = table(api.get(f"{address}/report.csv"))
        assert [(row["file"], row["outcome"], row["code"], row["name"]) for row in rows] == [
            ("Ann/1.jpg", "enrolled", "accepted", "Ann"),
            ("Ann/two.jpg", "refused", "several_faces", "Ann"),
        ]
        assert "faces were found" in rows[1]["reason"]

        enrolled = good(api.post(f"{address}/items/{number}/enrol"), 201)
        assert (enrolled["state"], enrolled["person"]["name"]) == ("enrolled", "Ann")
        refusal(api.post(f"{address}/items/{number}/enrol"), 409, "not_overruled")
        assert Person.objects.get().images.count() == 2
        assert api.delete(address).status_code == 204
        refusal(api.get(address), 404, "not_found")

    def test_bad_archive_is_refused_with_its_code_and_is_gone(
        self, api: Caller, collection: Collection
    ) -> None:
        data = b"x" * 100
        run = begin(api, data)
        put(api, run["id"], data)
        refusal(api.post(f"{API}/imports/{run['id']}/finish"), 422, "not_an_archive")
        refusal(api.get(f"{API}/imports/{run['id']}"), 404, "not_found")
        assert stored_files() == set()

    def test_pieces_out_of_order_say_where_to_go_on(
        self, api: Caller, collection: Collection
    ) -> None:
        run = begin(api, bytes(100))
        error = refusal(put(api, run["id"], b"a" * 10, 20), 409, "wrong_offset")
        assert error["details"] == {"received": 0}
        refusal(api.post(f"{API}/imports/{run['id']}/finish"), 409, "archive_incomplete")

    def test_piece_too_large_or_empty_or_of_another_type_is_refused(
        self, api: Caller, collection: Collection
    ) -> None:
        run = begin(api, bytes(2 * MOST_PIECE_BYTES))
        refusal(put(api, run["id"], bytes(MOST_PIECE_BYTES + 1)), 413, "bad_piece")
        refusal(put(api, run["id"], b""), 400, "bad_piece")
        address = f"{API}/imports/{run['id']}/pieces"
        refusal(api.send(f"{address}?offset=0", b"{}", "application/json", "PUT"), 415,
                "unsupported_media_type")  # fmt: skip
        refusal(api.send(address, b"a", "application/octet-stream", "PUT"), 400, "validation_error")
        assert stored_files() == set()

    def test_announced_archive_over_the_limit_is_refused(
        self, api: Caller, collection: Collection, settings: Any
    ) -> None:
        settings.MAX_IMPORT_GB = 1
        answer = api.post(f"{API}/imports", {"size": 2**31})
        assert refusal(answer, 413, "archive_too_large")["details"] == {"max_bytes": 2**30}

    def test_key_of_another_collection_sees_no_import(
        self, api: Caller, collection: Collection
    ) -> None:
        run = begin(api, bytes(100), collection=collection.pk)
        other = with_key(collection=make_collection())
        assert good(other.get(f"{API}/imports"))["results"] == []
        refusal(put(other, run["id"], b"a"), 404, "not_found")
        refusal(other.post(f"{API}/imports/{run['id']}/finish"), 404, "not_found")

    def test_running_import_is_cancelled_by_its_job(
        self, api: Caller, collection: Collection
    ) -> None:
        run = started(collection, people_zip())
        address = f"{API}/imports/{run.pk}"
        refusal(api.delete(address), 409, "job_open")
        job = good(api.get(address))["job"]["id"]
        good(api.post(f"{API}/jobs/{job}/cancel"))
        assert api.delete(address).status_code == 204
        assert stored_files() == set()

    def test_photo_that_is_not_there_is_not_found(
        self, api: Caller, collection: Collection
    ) -> None:
        run = started(collection, people_zip())
        refusal(api.post(f"{API}/imports/{run.pk}/items/99/enrol"), 404, "not_found")
        run_jobs()
        refusal(api.get(f"{API}/imports/{run.pk}/items/0/file"), 404, "not_found")
        assert ImportRun.objects.count() == 1


class TestExport:
    def test_export_is_downloaded_and_deleted(self, api: Caller, collection: Collection) -> None:
        enrol(make_person(collection), 1)
        export = good(api.post(f"{API}/exports", {"has_originals": True}), 202)
        address = f"{API}/exports/{export['id']}"
        assert (export["is_complete"], export["size"]) == (False, None)
        refusal(api.get(f"{address}/file"), 409, "export_incomplete")
        run_jobs()
        export = good(api.get(address))
        answer = api.get(f"{address}/file")
        content = streamed(answer)
        assert len(content) == export["size"] == int(answer["Content-Length"])
        assert content.startswith(b"PK")
        assert good(api.get(f"{API}/exports"))["results"] == [export]
        assert api.delete(address).status_code == 204
        refusal(api.get(address), 404, "not_found")

    def test_export_of_another_collection_is_not_found(
        self, api: Caller, collection: Collection
    ) -> None:
        other = with_key(collection=make_collection())
        refusal(other.post(f"{API}/exports", {"collection": str(collection.pk)}), 404, "not_found")
        refusal(other.get(f"{API}/exports/{uuid.uuid4()}"), 404, "not_found")


class TestTables:
    def test_people_as_csv_with_formulas_made_text(
        self, api: Caller, collection: Collection
    ) -> None:
        ann = make_person(collection, name='=HYPERLINK("http://x","y")', labels=["staff", "vip"])
        enrol(ann, 1, 1)
        make_person(collection, name="Bob, Jr.", external_id="-2+3", metadata={"a": 1})
        make_person(make_collection(), name="Elsewhere")
        rows = table(api.get(f"{API}/persons.csv?collection={collection.pk}"))
        assert [row["name"] for row in rows] == ["Bob, Jr.", '\'=HYPERLINK("http://x","y")']
        assert rows[0]["external_id"] == "'-2+3"
        assert (rows[1]["labels"], rows[1]["images"], rows[0]["images"]) == ("staff; vip", "2", "0")
        assert rows[0]["metadata"] == '{"a": 1}'
        assert AuditEntry.objects.filter(action="person.table").count() == 1

    def test_events_as_csv_with_the_filters_of_the_list(self, api: Caller, person: Person) -> None:
        shown = make_event(person=person)
        make_event(collection=person.collection)
        rows = table(api.get(f"{API}/events.csv?person={person.pk}"))
        assert [(row["id"], row["name"]) for row in rows] == [(str(shown.pk), person.name)]
        assert rows[0]["started_at"].endswith("Z")

    def test_tables_are_read_a_page_at_a_time(
        self, api: Caller, collection: Collection, django_assert_max_num_queries: Any
    ) -> None:
        Person.objects.bulk_create(
            Person(collection=collection, name=f"P{number}") for number in range(1200)
        )
        answer = api.get(f"{API}/persons.csv")
        with django_assert_max_num_queries(5):
            rows = table(answer)
        assert len({row["id"] for row in rows}) == 1200

    def test_key_of_another_collection_gets_its_own_people_alone(self, person: Person) -> None:
        other = with_key(Scope.IDENTIFY, collection=make_collection())
        assert table(other.get(f"{API}/persons.csv")) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_cell_that_would_be_a_formula_is_made_text(start: str) -> None:
    assert csv_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("value", [-0.5, 3, None, "Ann", "a=b", ""])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) == value
