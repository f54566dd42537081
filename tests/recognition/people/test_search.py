"""The search for people ignores case, accents and the way that letters are composed."""

from __future__ import annotations

import unicodedata

import pytest
from django.test import Client

from recognition.people.models import Person
from recognition.people.models.search_text import folded
from recognition.people.services.persons import person_create, person_update
from tests.answers import good
from tests.callers import Caller
from tests.factories import ACTOR, make_collection, make_event, make_person

PERSONS = "/api/v1/persons"
ADMIN = "/admin/people/person/"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Élodie", "elodie"),
        ("Élodie", "ÉLODIE"),
        (unicodedata.normalize("NFD", "Élodie"), unicodedata.normalize("NFC", "élodie")),
        (unicodedata.normalize("NFC", "Élodie"), unicodedata.normalize("NFD", "élodie")),
        ("Анна", "анна"),
        ("Ömer", "omer"),
        ("Işık", "ISIK"),  # noqa: RUF001
        ("İpek", "ipek"),
        ("Straße", "STRASSE"),
        ("Łukasz", "lukasz"),
        ("Søren", "soren"),
        ("ﬁona", "fiona"),
        ("Ａｎｎ", "ann"),  # noqa: RUF001
        ("An\u200bna", "anna"),
        ("Αθηνά", "αθηνα"),
        ("Anna  Maria\tBerg", "berg anna"),
        ("100% Joe_", "100% joe_"),
        ("李小龙", "小龙"),
    ],
)
@pytest.mark.django_db
def test_name_is_found_as_it_is_typed(
    api: Caller, administrator: Client, name: str, typed: str
) -> None:
    collection = make_collection()
    person = person_create(collection=collection, name=name, actor=ACTOR)
    make_person(collection, name="Someone Else")
    found = good(api.get(PERSONS, {"query": typed}))["results"]
    assert [row["id"] for row in found] == [str(person.pk)]
    listed = administrator.get(ADMIN, {"q": typed})
    assert list(listed.context["cl"].queryset) == [person]


@pytest.mark.django_db
class TestSearch:
    @pytest.mark.parametrize("typed", ["%", "_", "\u0301", "zz", "\\"])
    def test_what_is_part_of_no_name_finds_nobody(self, api: Caller, typed: str) -> None:
        make_person(name="Ann")
        assert good(api.get(PERSONS, {"query": typed}))["results"] == []

    def test_external_id_and_label_are_searched_too(self, api: Caller) -> None:
        person = make_person(name="Ann", external_id="HR-17", labels=["Night Shift"])
        for typed in ("hr-1", "night", "ann shift"):
            found = good(api.get(PERSONS, {"query": typed}))["results"]
            assert [row["id"] for row in found] == [str(person.pk)], typed

    def test_parts_do_not_run_into_each_other(self, api: Caller) -> None:
        make_person(name="Ann", external_id="bert")
        assert good(api.get(PERSONS, {"query": "annbert"}))["results"] == []

    def test_new_name_takes_the_place_of_the_old_one(self, api: Caller) -> None:
        person = make_person(name="Ann")
        person_update(person=person, name="Élodie", actor=ACTOR)
        assert good(api.get(PERSONS, {"query": "ann"}))["results"] == []
        assert len(good(api.get(PERSONS, {"query": "elodie"}))["results"]) == 1

    def test_rows_written_together_have_it(self) -> None:
        collection = make_collection()
        Person.objects.bulk_create([Person(collection=collection, name="Ömer")])
        assert Person.objects.get().search_text.startswith("omer\n")

    def test_autocomplete_finds_without_accents(self, administrator: Client) -> None:
        make_person(name="Élodie")
        query = {"app_label": "events", "model_name": "event", "field_name": "person"}
        answer = administrator.get("/admin/autocomplete/", {**query, "term": "elod"})
        assert [row["text"] for row in answer.json()["results"]] == ["Élodie"]

    def test_events_are_found_by_the_name_of_the_person(self, administrator: Client) -> None:
        event = make_event(person=make_person(name="Élodie"))
        make_event()
        listed = administrator.get("/admin/events/event/", {"q": "elodie"})
        assert [row.pk for row in listed.context["cl"].queryset] == [event.pk]


@pytest.mark.django_db
class TestLabels:
    def test_people_are_listed_by_label(self, api: Caller, administrator: Client) -> None:
        vip = make_person(name="Ann", labels=["staff", "VIP"])
        make_person(name="VIP", external_id="vip", labels=["vip lounge"])
        found = good(api.get(PERSONS, {"label": "vip"}))["results"]
        assert [row["id"] for row in found] == [str(vip.pk)]
        assert found[0]["labels"] == ["staff", "VIP"]
        listed = administrator.get(ADMIN, {"label": "vip"})
        assert list(listed.context["cl"].queryset) == [vip]
        assert "staff, VIP" in listed.content.decode()

    def test_events_are_listed_by_label(self, api: Caller) -> None:
        event = make_event(person=make_person(labels=["vip"]))
        make_event(person=make_person())
        found = good(api.get("/api/v1/events", {"label": "VIP"}))["results"]
        assert [row["id"] for row in found] == [str(event.pk)]
        assert found[0]["person"]["labels"] == ["vip"]


@pytest.mark.parametrize("text", ["a\u0301\u0301", "\t a \n b", "ẞ", "ﬃ"])
def test_folded_text_stays_as_it_is(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert not {"\n", "\t"} & set(folded(text))
