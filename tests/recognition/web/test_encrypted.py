"""Secrets in the database: encrypted, shown to nobody, and read again with the keys there are."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection

from facerec_site import checks
from recognition.cameras.models import Camera
from recognition.people.models import Collection
from recognition.web.encrypted import Secret, SecretUnreadable
from recognition.web.errors import ServiceError
from tests.factories import make_camera

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.FIELD_KEYS = [OLD]


def _camera(collection: Collection, **values: Any) -> Camera:
    """As it is read from the database."""
    made = make_camera(collection, kind="rtsp", address="rtsp://10.0.0.5/a", **values)
    return Camera.objects.get(pk=made.pk)


def _stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT username, password FROM cameras_camera")
        return json.dumps(cursor.fetchall())


def test_secret_is_stored_encrypted_and_can_be_read(collection: Collection) -> None:
    camera = _camera(collection, username="ann", password="pässword 7")
    assert (camera.username.reveal(), camera.password.reveal()) == ("ann", "pässword 7")
    stored = _stored()
    assert "ssword 7" not in stored
    assert "ann" not in stored
    other = _camera(collection, password="pässword 7")
    assert other.password.token() != camera.password.token()


def test_empty_secret_needs_no_key(collection: Collection, settings: Any) -> None:
    settings.FIELD_KEYS = []
    camera = _camera(collection)
    assert (bool(camera.password), camera.password.reveal()) == (False, "")
    assert json.loads(_stored()) == [["", ""]]


def test_secret_shows_itself_to_nobody(collection: Collection) -> None:
    camera = _camera(collection, password="s3cret")
    fresh = Secret("s3cret")
    for text in (str(fresh), repr(fresh), f"{fresh}", str(camera.password), repr(vars(camera))):
        assert "s3cret" not in text
    assert (str(fresh), str(Secret())) == ("set", "not set")
    dumped = json.loads(serializers.serialize("json", [camera]))[0]["fields"]
    assert dumped["password"] == ""


def test_secret_without_any_key_is_refused_with_the_way_to_one(
    collection: Collection, settings: Any
) -> None:
    settings.FIELD_KEYS = []
    with pytest.raises(ServiceError, match=r"FIELD_KEYS has no key.*new_field_key") as refused:
        _camera(collection, password="s3cret")
    assert refused.value.code == "no_field_key"
    printed = StringIO()
    call_command("new_field_key", stdout=printed)
    settings.FIELD_KEYS = [printed.getvalue().strip()]
    assert not checks.field_keys_are_keys()


def test_secret_of_an_unknown_key_says_so(collection: Collection, settings: Any) -> None:
    camera = _camera(collection, password="s3cret")
    for keys in ([NEW], []):
        settings.FIELD_KEYS = keys
        with pytest.raises(SecretUnreadable, match="not in FIELD_KEYS"):
            camera.password.reveal()
        assert str(camera.password) == "set"
        (message,) = checks.stored_secrets_are_readable(databases=["default"])
        assert (message.id, str(camera) in message.msg) == ("facerec.W003", True)


def test_rotated_secrets_need_the_first_key_only(collection: Collection, settings: Any) -> None:
    camera = _camera(collection, username="ann", password="s3cret")
    _camera(collection)
    settings.FIELD_KEYS = [NEW, OLD]
    printed = StringIO()
    call_command("rotate_keys", stdout=printed)
    assert printed.getvalue() == "Encrypted with the first key: 2.\n"
    settings.FIELD_KEYS = [NEW]
    camera.refresh_from_db()
    assert (camera.username.reveal(), camera.password.reveal()) == ("ann", "s3cret")
    assert not checks.stored_secrets_are_readable(databases=["default"])


def test_rotation_names_what_it_cannot_read_and_does_the_rest(
    collection: Collection, settings: Any
) -> None:
    lost = _camera(collection, password="lost")
    settings.FIELD_KEYS = [NEW]
    kept = _camera(collection, password="kept")
    with pytest.raises(CommandError, match=str(lost)):
        call_command("rotate_keys", stdout=StringIO())
    kept.refresh_from_db()
    assert kept.password.reveal() == "kept"
    settings.FIELD_KEYS = [OLD]
    assert lost.password.reveal() == "lost"


def test_field_keys_that_are_no_keys_are_an_error(settings: Any) -> None:
    settings.FIELD_KEYS = [OLD, "not a key"]
    (message,) = checks.field_keys_are_keys()
    assert (message.id, "number 2" in message.msg) == ("facerec.E005", True)
    assert "not a key" not in message.msg.replace("is not a key", "")
