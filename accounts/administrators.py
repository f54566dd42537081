"""The first administrator, and new passwords for users who lost theirs."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.access import Role
from accounts.audit import Actor, record
from accounts.browsers import attempts_forget
from accounts.models import User

FIRST_NAME = "admin"
# Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """A password of 79 random bits, easy to read from a screen and to type."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def administrator_ensure(*, password: str, actor: Actor) -> User | None:
    """Make the first administrator; None if there is one already.

    Raises ValidationError if a password validator refuses the password.
    """
    if User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exists():
        return None
    validate_password(password, User(username=FIRST_NAME))
    with transaction.atomic():
        user = User.objects.create_superuser(FIRST_NAME, password=password)
        record(actor, "user.create", user, role=user.role)
    return user


def password_set(*, user: User, password: str, actor: Actor) -> None:
    """Set a user's password, remove locks for wrong passwords, and end the user's sessions.

    Raises ValidationError if a password validator refuses the password.
    """
    validate_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        record(actor, "user.password", user)
    attempts_forget(username=user.username)


def is_last_administrator(user: object) -> bool:
    """True if the user is the only active administrator."""
    if not isinstance(user, User):
        return False
    administrators = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True)
    return list(administrators.values_list("pk", flat=True)[:2]) == [user.pk]


def administrator_find(username: str = "") -> User | None:
    """The user with this name. If no name is given: the administrator `admin`, or else the one
    created first. None if there is no such user."""
    if username:
        return User.objects.filter(username=username).first()
    administrators = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).order_by("pk")
    return administrators.filter(username=FIRST_NAME).first() or administrators.first()
