"""Secrets that must be read again, such as a camera's password: encrypted in the database.

The keys are FIELD_KEYS: the first one encrypts, each of them decrypts. `manage.py rotate_keys`
encrypts everything with the first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from recognition.web.errors import ServiceError

NEW_KEY = "manage.py new_field_key"


class SecretUnreadable(Exception):
    """The key that it was encrypted with is not in FIELD_KEYS; the message is for people."""


class Secret:
    """A text that is shown to nobody: as a string it is "set" or "not set"; false if it is empty.

    token: the text as it is stored, in place of `plain`.
    """

    __slots__ = ("_plain", "_token")

    def __init__(self, plain: str = "", *, token: str = "") -> None:
        self._plain = plain
        self._token = token

    def __bool__(self) -> bool:
        return bool(self._plain or self._token)

    def __str__(self) -> str:
        return "set" if self else "not set"

    def __repr__(self) -> str:
        return f"<Secret: {self}>"

    def reveal(self) -> str:
        """The text. SecretUnreadable."""
        if not self._token:
            return self._plain
        try:
            return field_keys().decrypt(self._token.encode()).decode()
        except (InvalidToken, ServiceError):
            raise SecretUnreadable(
                "Its user name or password is encrypted with a key that is not in FIELD_KEYS. Add "
                "the key, or enter them anew."
            ) from None

    def token(self) -> str:
        """Encrypted; an empty one is empty. ServiceError if there is no key."""
        if self._plain and not self._token:
            self._token = field_keys().encrypt(self._plain.encode()).decode()
            self._plain = ""
        return self._token

    def rotated(self) -> Secret:
        """Encrypted anew, with the first key. SecretUnreadable."""
        return Secret(self.reveal())


def field_keys() -> MultiFernet:
    """ServiceError if there is no key."""
    if not settings.FIELD_KEYS:
        raise ServiceError(
            "no_field_key",
            "User names and passwords of cameras are stored encrypted, and FIELD_KEYS has no key. "
            f"`{NEW_KEY}` makes one.",
        )
    return MultiFernet([Fernet(key) for key in settings.FIELD_KEYS])


def is_field_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


class _SecretAttribute(DeferredAttribute):
    """What is assigned becomes a `Secret` at once."""

    def __set__(self, instance: models.Model, value: str | Secret) -> None:
        instance.__dict__[self.field.attname] = _secret_of(value)


if TYPE_CHECKING:
    _TextField = models.TextField[str | Secret, Secret]
else:
    _TextField = models.TextField


class EncryptedField(_TextField):
    """A `Secret`. Assign a text or a `Secret`; forms and answers show neither."""

    descriptor_class = _SecretAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str, *_: object) -> Secret:
        return Secret(token=value)

    def to_python(self, value: str | Secret) -> Secret:
        return _secret_of(value)

    def get_prep_value(self, value: str | Secret) -> str:
        return _secret_of(value).token()

    def value_to_string(self, obj: models.Model) -> str:
        """For `dumpdata`, which leaves secrets out: back-ups are made of the database."""
        return ""


def stored_secrets() -> Iterator[tuple[models.Model, str]]:
    """Each row of any model, with the name of a field of it that holds a secret."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedField):
                for row in model._default_manager.exclude(**{field.attname: ""}):
                    yield row, field.attname


def unreadable_secrets() -> list[str]:
    """The rows with a secret whose key is missing, for people."""
    found = []
    for row, name in stored_secrets():
        try:
            getattr(row, name).reveal()
        except SecretUnreadable:
            found.append(f"{row._meta.verbose_name} {row}")
    return list(dict.fromkeys(found))


def _secret_of(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)
