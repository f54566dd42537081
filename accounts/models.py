"""Users, API keys and the audit log."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone

from accounts.access import ROLE_SCOPES, Role, Scope
from accounts.identifiers import uuid7
from accounts.names import validate_visible


class FacerecUserManager(UserManager["User"]):
    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra: object,
    ) -> User:
        extra["role"] = Role.ADMINISTRATOR
        return super().create_superuser(username, email, password, **extra)


class User(AbstractUser):
    """A person who signs in. The role decides what a user may do; Django's groups and permissions
    are not used."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)

    objects: ClassVar[FacerecUserManager] = FacerecUserManager()

    @property
    def scopes(self) -> frozenset[str]:
        return ROLE_SCOPES[self.role]

    def clean(self) -> None:
        super().clean()
        validate_visible(self.username)

    def save(self, *args: object, **kwargs: object) -> None:
        # All users may open the admin; the role decides what they see there.
        self.is_staff = True
        self.is_superuser = self.role == Role.ADMINISTRATOR
        super().save(*args, **kwargs)  # type: ignore[arg-type]


def _hash_secret(secret: str) -> str:
    # Secrets have 256 random bits, so a fast hash is as safe as a slow one. Without SECRET_KEY, the
    # key of the HMAC, a stolen database cannot be used to check guesses.
    return hmac.new(settings.SECRET_KEY.encode(), secret.encode(), hashlib.sha256).hexdigest()


class ApiKey(models.Model):
    """An API key of a program. Only the hash of the secret is stored; the secret is shown once,
    when the key is made."""

    PREFIX = "frk_"
    USED_RESOLUTION = timedelta(minutes=1)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100, validators=[validate_visible])
    prefix = models.CharField(
        max_length=16, editable=False, help_text="The first characters of the key."
    )
    hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, help_text="What the key may do.")
    # An id and not a foreign key, because accounts must not depend on recognition.
    collection_id = models.UUIDField(
        null=True, blank=True, help_text="The only collection that the key may use. Empty: all."
    )
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, editable=False)
    made_by = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="made",
        editable=False,
        help_text="The key that made this key, which ends with its maker.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, *, name: str, scopes: list[str], **fields: object) -> tuple[ApiKey, str]:
        """Make a key. Returns it with its secret, which is not stored. ValueError for an unknown
        scope."""
        unknown = set(scopes) - set(Scope.values)
        if unknown:
            raise ValueError(f"Unknown scopes: {', '.join(sorted(unknown))}")
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        key = cls.objects.create(
            name=name,
            scopes=sorted(set(scopes)),
            prefix=secret[:12],
            hash=_hash_secret(secret),
            **fields,
        )
        return key, secret

    @classmethod
    def find(cls, secret: str) -> ApiKey | None:
        """The valid key with this secret, or None."""
        try:
            key = cls.objects.select_related("created_by").get(hash=_hash_secret(secret))
        except cls.DoesNotExist:
            return None
        return key if key.is_valid else None

    @property
    def is_valid(self) -> bool:
        """True if the key is active and not expired, and its user, if it has one, is active."""
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        is_made_by_somebody = self.created_by is None or self.created_by.is_active
        return self.is_active and not is_over and is_made_by_somebody

    @property
    def scopes_now(self) -> frozenset[str]:
        """The scopes of the key that its user's role allows today."""
        own = frozenset(self.scopes)
        return own if self.created_by is None else own & self.created_by.scopes

    def mark_used(self, now: datetime | None = None) -> None:
        """Store the time of use, at most once a minute, so that a busy key causes few writes."""
        now = now or timezone.now()
        if self.last_used_at is None or now - self.last_used_at > self.USED_RESOLUTION:
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)


class AuditEntry(models.Model):
    """Who did what to which face data. A target is stored as its type and id, so that the entry
    stays when the target is deleted. Entries never contain names of people or vectors."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.CharField(max_length=200, help_text="user:NAME, key:PREFIX, camera:ID, system")
    action = models.CharField(max_length=64, db_index=True)
    target_type = models.CharField(max_length=32, blank=True)
    target_id = models.CharField(max_length=64, blank=True, db_index=True)
    collection_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["target_type"])]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target_type} {self.target_id}".strip()
