"""The first start, further starts, and a lost password."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.finders import FileSystemFinder
from django.contrib.staticfiles.management.commands import collectstatic
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.access import Role
from accounts.models import AuditEntry, User
from facerec_site import static_files
from recognition.people.models import Collection
from tests.callers import PageClient

PASSWORD_LINE = re.compile(r"Password +(\S+)")


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _no_static_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facerec_site.management.commands.bootstrap.collect_changed", lambda: False)


def can_sign_in(username: str, password: str) -> bool:
    answer = PageClient().post(reverse("login"), {"username": username, "password": password})
    return answer.status_code == 302


@pytest.mark.django_db
class TestBootstrap:
    def test_first_bootstrap_makes_administrator_and_collection(self) -> None:
        said = PASSWORD_LINE.search(run("bootstrap"))
        assert said is not None
        user = User.objects.get()
        assert (user.username, user.role) == ("admin", Role.ADMINISTRATOR)
        assert can_sign_in("admin", said.group(1))
        collection = Collection.objects.get()
        assert collection.name == "Main"
        assert collection.embedder.name == "mobilefacenet"
        actions = set(AuditEntry.objects.values_list("action", flat=True))
        assert {"user.create", "collection.create"} <= actions

    def test_second_bootstrap_changes_and_prints_nothing(self) -> None:
        run("bootstrap")
        before = (User.objects.get().password, Collection.objects.get().pk)
        assert run("bootstrap") == ""
        assert (User.objects.get().password, Collection.objects.get().pk) == before

    def test_collection_that_was_renamed_is_not_made_again(self) -> None:
        run("bootstrap")
        Collection.objects.update(name="Front door")
        run("bootstrap")
        assert Collection.objects.get().name == "Front door"

    def test_password_of_the_environment_is_not_shown(self, settings: Any) -> None:
        settings.ADMIN_PASSWORD = "quite-a-long-one"
        assert "quite-a-long-one" not in run("bootstrap")
        assert can_sign_in("admin", "quite-a-long-one")

    def test_weak_password_of_the_environment_is_refused(self, settings: Any) -> None:
        settings.ADMIN_PASSWORD = "admin"
        with pytest.raises(CommandError, match=r"ADMIN_PASSWORD: .*too short"):
            run("bootstrap")
        assert not User.objects.exists()

    def test_bootstrap_makes_an_administrator_beside_a_viewer(self) -> None:
        User.objects.create_user("looker", password="x")
        run("bootstrap")
        assert User.objects.filter(role=Role.ADMINISTRATOR).count() == 1


@pytest.mark.django_db
class TestPassword:
    def test_password_command_shows_a_new_password_and_voids_the_old_one(self) -> None:
        old = PASSWORD_LINE.search(run("bootstrap"))
        new = PASSWORD_LINE.search(run("password"))
        assert old is not None
        assert new is not None
        assert not can_sign_in("admin", old.group(1))
        assert can_sign_in("admin", new.group(1))

    def test_password_command_ends_sessions(self, client: Client) -> None:
        client.force_login(User.objects.create_superuser("admin", password="old"))
        assert client.get("/api/v1/me").status_code == 200
        run("password")
        assert client.get("/api/v1/me").status_code == 401

    def test_password_command_lifts_the_lock(self, settings: Any) -> None:
        run("bootstrap")
        for _ in range(settings.AXES_FAILURE_LIMIT + 1):
            assert not can_sign_in("admin", "wrong")
        new = PASSWORD_LINE.search(run("password"))
        assert new is not None
        assert can_sign_in("admin", new.group(1))

    def test_password_command_changes_another_user(self) -> None:
        run("bootstrap")
        User.objects.create_user("looker", password="old")
        new = PASSWORD_LINE.search(run("password", "looker"))
        assert new is not None
        assert can_sign_in("looker", new.group(1))
        assert User.objects.get(username="looker").role == Role.VIEWER

    def test_password_command_refuses_an_unknown_user(self) -> None:
        with pytest.raises(CommandError, match="no administrator yet"):
            run("password")
        with pytest.raises(CommandError, match="no user 'nobody'"):
            run("password", "nobody")

    def test_password_command_is_audited_without_the_password(self) -> None:
        run("bootstrap")
        new = PASSWORD_LINE.search(run("password"))
        assert new is not None
        entry = AuditEntry.objects.get(action="user.password")
        assert new.group(1) not in str(entry.__dict__)


class TestStaticFiles:
    @pytest.fixture
    def source(self, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
        source = tmp_path / "source"
        source.mkdir()
        (source / "page.css").write_text("a {}")
        settings.STATICFILES_DIRS = [source]
        settings.STATIC_ROOT = tmp_path / "collected"
        finder = FileSystemFinder()
        monkeypatch.setattr(static_files, "get_finders", lambda: [finder])
        monkeypatch.setattr(collectstatic, "get_finders", lambda: [finder])
        return source

    def test_static_files_are_collected_if_they_change(self, source: Path, settings: Any) -> None:
        assert static_files.collect_changed()
        assert (settings.STATIC_ROOT / "page.css").exists()
        assert not static_files.collect_changed()
        (source / "other.css").write_text("b {}")
        assert static_files.collect_changed()
        assert (settings.STATIC_ROOT / "other.css").exists()
        (source / "page.css").unlink()
        assert static_files.collect_changed()
        assert not (settings.STATIC_ROOT / "page.css").exists()
