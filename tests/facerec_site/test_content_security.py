"""Pages have a content policy; tests/e2e check that browsers report no violation."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from facerec_site.content_security import HEADER
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/live/", "/try/", "/accounts/login/", "/no-such-page/"])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_own_pages_have_a_strict_content_security_policy(
    client: Client, path: str, is_signed_in: bool
) -> None:
    if is_signed_in:
        client.force_login(make_user())
    policy = client.get(path).headers[HEADER]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_error_page_has_a_content_security_policy(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("recognition.live.pages.views.render", None)
    client.force_login(make_user())
    answer = client.get("/live/")
    assert answer.status_code == 500
    assert HEADER in answer.headers


def _policy_of(client: Client, name: str) -> dict[str, str]:
    client.force_login(make_user())
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    rules = (rule.partition(" ") for rule in answer.headers[HEADER].split("; "))
    return {kind: allowed for kind, _, allowed in rules}


@pytest.mark.parametrize(
    ("name", "scripts"), [("admin:index", "'self' 'unsafe-eval'"), ("docs", None)]
)
def test_pages_made_by_others_have_one_that_allows_no_script_within_the_page(
    client: Client, name: str, scripts: str | None
) -> None:
    policy = _policy_of(client, name)
    assert policy.get("script-src") == scripts
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", ["admin:index", "docs"])
def test_pages_made_by_others_have_no_script_within(client: Client, name: str) -> None:
    client.force_login(make_user())
    text = client.get(reverse(name)).content.decode()
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+=[\"']", text)
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", text), "all of it is local"
