"""`Idempotency-Key`: a repeated request gets the first answer and is not executed again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.access import Scope
from recognition.people.models import Collection, FaceImage, Person
from recognition.web.models import IdempotencyRecord
from tests.answers import good, refusal
from tests.callers import Caller, signed_in, with_key
from tests.factories import enrol, make_person
from tests.fakes import FakeEngine, photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
REPLAYED = "Idempotency-Replayed"


def send(api: Caller, person: Person, data: bytes, key: str = "k-1", name: str = "a.jpg") -> Any:
    files = {"images": [SimpleUploadedFile(name, data)]}
    address = f"/api/v1/persons/{person.pk}/images"
    return api.post(address, files, format="multipart", headers={"idempotency-key": key})


def add(api: Caller, key: str = "k-1", **values: Any) -> Any:
    return api.post("/api/v1/persons", {"name": "Ann"} | values, headers={"idempotency-key": key})


class TestReplay:
    def test_repeated_key_replays_the_answer_for_images(
        self, api: Caller, engine: FakeEngine, person: Person
    ) -> None:
        first = send(api, person, photo(1))
        calls = engine.calls
        second = send(api, person, photo(1))
        assert good(second, 201) == good(first, 201)
        assert (first.get(REPLAYED), second[REPLAYED]) == (None, "true")
        assert engine.calls == calls
        assert FaceImage.objects.count() == 1

    def test_repeated_key_replays_the_answer_for_a_person(
        self, api: Caller, collection: Collection
    ) -> None:
        first, second = add(api), add(api)
        assert good(second, 201) == good(first, 201)
        assert second[REPLAYED] == "true"
        assert Person.objects.count() == 1

    def test_another_idempotency_key_is_another_request(self, api: Caller, person: Person) -> None:
        good(send(api, person, photo(1)), 201)
        refusal(send(api, person, photo(1), key="k-2"), 422, "duplicate_image")

    def test_idempotency_keys_of_two_callers_are_separate(
        self, api: Caller, person: Person
    ) -> None:
        good(add(api), 201)
        for other in (with_key(), signed_in()):
            good(add(other), 201)
        assert Person.objects.filter(name="Ann").count() == 3


class TestOtherContent:
    def test_repeated_key_with_another_picture_is_refused(
        self, api: Caller, person: Person
    ) -> None:
        good(send(api, person, photo(1)), 201)
        refusal(send(api, person, photo(1, looks=2)), 409, "idempotency_key_reused")
        assert FaceImage.objects.count() == 1

    def test_repeated_key_with_another_person_is_refused(self, api: Caller, person: Person) -> None:
        good(send(api, person, photo(1)), 201)
        other = make_person(person.collection)
        refusal(send(api, other, photo(1)), 409, "idempotency_key_reused")

    def test_repeated_key_with_other_fields_is_refused(
        self, api: Caller, collection: Collection
    ) -> None:
        good(add(api), 201)
        refusal(add(api, labels=["vip"]), 409, "idempotency_key_reused")

    def test_repeated_key_with_another_field_is_refused(
        self, api: Caller, collection: Collection
    ) -> None:
        good(add(api), 201)
        headers, body = {"idempotency-key": "k-1"}, {"name": "Ann", "external_id": "x"}
        answer = api.post("/api/v1/persons", body, headers=headers)
        refusal(answer, 409, "idempotency_key_reused")


class TestRefusals:
    def test_answer_of_a_busy_engine_is_not_replayed(
        self, api: Caller, engine: FakeEngine, person: Person
    ) -> None:
        engine.is_busy = True
        refusal(send(api, person, photo(1)), 503, "engine_busy")
        engine.is_busy = False
        answer = send(api, person, photo(1))
        good(answer, 201)
        assert REPLAYED not in answer

    def test_refused_request_frees_its_key(self, api: Caller, person: Person) -> None:
        refusal(send(api, person, photo()), 422, "no_face")
        assert not IdempotencyRecord.objects.exists()
        good(send(api, person, photo(1)), 201)

    @pytest.mark.parametrize("key", ["x" * 201, "käse", "a\tb"])
    def test_malformed_idempotency_key_is_refused(
        self, api: Caller, collection: Collection, key: str
    ) -> None:
        refusal(add(api, key=key), 400, "bad_idempotency_key")
        assert not Person.objects.exists()

    def test_forbidden_request_claims_no_idempotency_key(self, person: Person) -> None:
        refusal(send(with_key(Scope.IDENTIFY), person, photo(1)), 403, "permission_denied")
        assert not IdempotencyRecord.objects.exists()


class TestAtTheSameTime:
    def test_second_request_with_a_key_in_use_is_asked_to_wait(
        self, api: Caller, person: Person
    ) -> None:
        good(send(api, person, photo(1)), 201)
        IdempotencyRecord.objects.update(status=None)
        answer = send(api, person, photo(1))
        refusal(answer, 409, "idempotency_in_progress")
        assert answer["Retry-After"] == "2"

    def test_key_of_a_lost_process_is_taken_over(self, api: Caller, person: Person) -> None:
        good(add(api), 201)
        long_ago = timezone.now() - IdempotencyRecord.ABANDONED - timedelta(seconds=1)
        IdempotencyRecord.objects.update(status=None, claimed_at=long_ago)
        answer = add(api)
        good(answer, 201)
        assert REPLAYED not in answer

    @pytest.mark.django_db(transaction=True)
    def test_many_requests_with_one_key_are_done_once(
        self, api: Caller, person: Person, close_connections: Callable[[], None]
    ) -> None:
        start, answers = threading.Barrier(6), []

        def work() -> None:
            start.wait()
            answers.append(send(api, person, photo(1)))
            close_connections()

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bodies = [answer.json() for answer in answers if answer.status_code == 201]
        assert bodies
        assert all(body == bodies[0] for body in bodies)
        others = {answer.json()["error"]["code"] for answer in answers if answer.status_code != 201}
        assert others <= {"idempotency_in_progress"}
        assert FaceImage.objects.count() == 1


def test_erasing_a_person_removes_kept_answers(api: Caller, person: Person) -> None:
    enrol(person, 2)
    good(send(api, person, photo(2, looks=5)), 201)
    assert IdempotencyRecord.objects.filter(person_id=person.pk).exists()
    good(api.post(f"/api/v1/persons/{person.pk}/erase"))
    assert not IdempotencyRecord.objects.exists()
    refusal(send(api, person, photo(2, looks=5)), 404, "not_found")


def test_kept_answers_are_pruned_after_a_day(api: Caller, person: Person) -> None:
    good(send(api, person, photo(1)), 201)
    IdempotencyRecord.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    assert IdempotencyRecord.prune() == 1
