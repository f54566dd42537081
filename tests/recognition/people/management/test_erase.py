from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from recognition.notices.models import Notice
from recognition.people.models import Person

pytestmark = pytest.mark.django_db


def test_erase_command_erases_a_person_by_id(
    person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    pk = person.pk
    call_command("erase", str(pk))
    assert not Person.objects.exists()
    assert "Erased: " in capsys.readouterr().out
    assert AuditEntry.objects.get(action="person.erase").actor == "system"
    assert Notice.objects.get(kind="person.erased").subject_id == pk


def test_erase_command_names_an_unknown_person() -> None:
    with pytest.raises(CommandError, match="There is no person"):
        call_command("erase", str(uuid4()))
