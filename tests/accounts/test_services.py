"""Keys are issued and revoked with an entry in the audit log."""

from __future__ import annotations

import pytest

from accounts.access import Scope
from accounts.audit import Actor
from accounts.models import ApiKey, AuditEntry
from accounts.services import key_issue, key_revoke
from tests.factories import make_user

pytestmark = pytest.mark.django_db
_ACTOR = Actor("user:root")


def test_a_key_is_issued_and_revoked() -> None:
    user = make_user()
    key, secret = key_issue(
        name="door", scopes=[Scope.IDENTIFY, Scope.DETECT], user=user, actor=_ACTOR
    )
    assert ApiKey.find(secret) == key
    assert key.created_by == user
    key_revoke(key=key, actor=_ACTOR)
    assert ApiKey.find(secret) is None
    assert ApiKey.objects.get() == key
    issued, revoked = AuditEntry.objects.order_by("id")
    assert (issued.action, issued.target_id) == ("key.issue", str(key.pk))
    assert issued.details == {"scopes": ["detect", "identify"]}
    assert (revoked.action, revoked.actor) == ("key.revoke", "user:root")
    assert secret not in str(list(AuditEntry.objects.values()))


def test_issuing_a_key_with_an_unknown_scope_writes_nothing() -> None:
    with pytest.raises(ValueError, match="everything"):
        key_issue(name="door", scopes=["everything"], actor=_ACTOR)
    assert not ApiKey.objects.exists()
    assert not AuditEntry.objects.exists()
