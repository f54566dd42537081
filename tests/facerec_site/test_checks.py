"""What `manage.py check` says of folders, weights, secrets and the database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core import checks as django_checks

from facerec_site import checks
from tools import start

_ROOT = Path(__file__).resolve().parents[2]


def _ids(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


def test_folder_that_is_not_writable_is_an_error(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path / "not" / "there" / "yet"
    assert not checks.folders_are_writable()
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    assert _ids(checks.folders_are_writable()) == ["facerec.E001"]
    # Root may write anywhere, so the answer of the system is replaced.
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert _ids(checks.folders_are_writable()) == ["facerec.E001"] * 2


def test_folder_of_snapshots_is_checked_if_they_are_on(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.GALLERY_SNAPSHOT_DIR = tmp_path / "file" / "snapshots"
    assert not checks.folders_are_writable()
    settings.GALLERY_SNAPSHOT_FROM = 1
    assert _ids(checks.folders_are_writable()) == ["facerec.E001"]


def test_short_metrics_token_is_an_error(settings: Any) -> None:
    for token, ids in (("", []), (16 * "x", []), (15 * "x", ["facerec.E007"])):
        settings.METRICS_TOKEN = token
        assert _ids(checks.metrics_token_is_long()) == ids


def test_missing_weights_are_a_warning(settings: Any, tmp_path: Path) -> None:
    settings.WEIGHTS_DIR = tmp_path
    (message,) = checks.weights_are_there()
    assert (message.id, message.level) == ("facerec.W001", django_checks.WARNING)
    assert "MobileFaceNet.tflite" in message.msg
    assert "make weights" in (message.hint or "")


def test_unknown_detector_is_an_error_that_names_the_known_ones(settings: Any) -> None:
    assert not checks.detector_is_known()
    settings.ENGINE = {**settings.ENGINE, "detector": "fusion"}
    (message,) = checks.detector_is_known()
    assert (message.id, message.level) == ("facerec.E004", django_checks.ERROR)
    assert "there are mtcnn, yunet" in message.msg
    assert not checks.weights_are_there(), "one message is enough"


def test_missing_weights_are_those_of_the_chosen_detector(settings: Any, tmp_path: Path) -> None:
    settings.WEIGHTS_DIR = tmp_path
    settings.ENGINE = {**settings.ENGINE, "detector": "yunet"}
    (message,) = checks.weights_are_there()
    assert "face_detection_yunet_2026may.onnx" in message.msg
    assert "onet.lz4" not in message.msg


@pytest.mark.weights
def test_weights_on_disk_cause_no_warning() -> None:
    assert not checks.weights_are_there()


def test_the_secret_key_is_readable_by_its_owner_alone(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    assert not checks.secret_key_is_secret()
    path = tmp_path / "secret_key"
    path.write_text(settings.SECRET_KEY)
    path.chmod(0o644)
    assert _ids(checks.secret_key_is_secret()) == ["facerec.E002"]
    path.chmod(0o600)
    assert not checks.secret_key_is_secret()
    path.chmod(0o644)
    path.write_text("another one, that is not in use")
    assert not checks.secret_key_is_secret()


def test_the_field_key_is_readable_by_its_owner_alone(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    assert not checks.field_key_is_secret()
    start.ensure_field_key(tmp_path)
    path = tmp_path / "field_key"
    settings.FIELD_KEYS = [path.read_text()]
    assert not checks.field_keys_are_keys()
    assert not checks.field_key_is_secret()
    path.chmod(0o640)
    assert _ids(checks.field_key_is_secret()) == ["facerec.E006"]
    settings.FIELD_KEYS = ["another one, that is not in the file"]
    assert not checks.field_key_is_secret()


def test_pictures_are_readable_by_their_owner_alone(settings: Any) -> None:
    assert not checks.pictures_are_private()
    folder = Path(settings.MEDIA_ROOT)
    folder.mkdir(mode=0o700)
    assert not checks.pictures_are_private()
    folder.chmod(0o755)
    assert _ids(checks.pictures_are_private()) == ["facerec.E003"]


def _mysql(**changes: Any) -> Any:
    class Cursor:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, sql: str) -> None: ...

        def fetchone(self) -> tuple[str]:
            return (changes.get("charset", "utf8mb4"),)

    good: dict[str, Any] = {
        "vendor": "mysql",
        "mysql_is_mariadb": True,
        "mysql_version": (10, 6, 4),
        "sql_mode": {"STRICT_ALL_TABLES"},
        "isolation_level": "read committed",
        "cursor": Cursor,
    }
    return SimpleNamespace(**(good | changes))


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"mysql_version": (10, 5, 20)}, ["facerec.E010"]),
        ({"mysql_is_mariadb": False, "mysql_version": (8, 4, 0)}, []),
        ({"mysql_is_mariadb": False, "mysql_version": (5, 7, 40)}, ["facerec.E010"]),
        ({"sql_mode": {"NO_ZERO_DATE"}}, ["facerec.E011"]),
        ({"sql_mode": {"STRICT_TRANS_TABLES"}}, []),
        ({"isolation_level": "repeatable read"}, ["facerec.E012"]),
        ({"charset": "latin1"}, ["facerec.E013"]),
        ({"vendor": "sqlite", "mysql_version": (1,)}, []),
    ],
)
def test_unsafe_database_settings_are_errors(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], ids: list[str]
) -> None:
    monkeypatch.setattr(checks, "connections", {"default": _mysql(**changes)})
    assert _ids(checks.database_keeps_promises(databases=["default"])) == ids


@pytest.mark.django_db
def test_database_of_the_tests_is_safe() -> None:
    assert not checks.database_keeps_promises(databases=["default"])


@pytest.mark.weights
def test_site_with_public_settings_passes_every_check(tmp_path: Path) -> None:
    """With the environment that docs/operations.md names."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": str(tmp_path / "var"),
        "WEIGHTS_DIR": str(site_settings.WEIGHTS_DIR),
        "ALLOWED_HOSTS": "faces.example.org",
        "HTTPS": "1",
        "BEHIND_PROXY": "1",
        "HTTPS_REDIRECT": "1",
        "HSTS_SECONDS": "31536000",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"]
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
