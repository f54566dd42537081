"""Settings come from the environment, and .env.example lists all of them."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from facerec_site.management.commands import serve

ROOT = Path(__file__).parents[2]
# `make run` reads these and passes them to the site as arguments.
OF_MAKE = {"PORT", "HOST", "DB"}
EXAMPLE_LINE = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)


def read_variables() -> dict[str, object]:
    """Each variable that the site reads, with its default; Ellipsis if that is not a literal."""
    found: dict[str, object] = {}
    site = ROOT / "facerec_site"
    files = ("settings.py", "environment.py")
    for node in ast.walk(ast.parse("\n".join((site / name).read_text() for name in files))):
        is_read = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "env"
            and node.func.attr in ("str", "int", "bool", "list", "float")
        )
        if not is_read:
            continue
        assert isinstance(node, ast.Call)
        values = [*node.args[1:], *(word.value for word in node.keywords)]
        try:
            default = ast.literal_eval(values[0])
        except ValueError:
            default = ...
        found[ast.literal_eval(node.args[0])] = default
    return found


def as_written(default: object) -> str:
    return ",".join(default) if isinstance(default, list) else str(default)


def test_env_example_lists_every_variable() -> None:
    listed = {name for name, _ in EXAMPLE_LINE.findall((ROOT / ".env.example").read_text())}
    assert listed == set(read_variables()) | OF_MAKE


def test_env_example_shows_the_defaults() -> None:
    shown = dict(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))
    told = {name: as_written(value) for name, value in read_variables().items() if value != ...}
    assert len(told) > 20
    assert {name: shown[name] for name in told} == told


def test_env_example_explains_every_variable() -> None:
    """There is a comment before each variable or group of variables."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if EXAMPLE_LINE.match(line)]
    assert all(re.match(r"# |#[A-Z_]+=", lines[i - 1]) for i in starts)


def run_python(code: str, var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code with the settings of the site, not with those of the tests."""
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**plain, "ENV_FILE": os.devnull, "FACEREC_VAR": str(var), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def settings_of(var: Path, *names: str, **environment: str) -> dict[str, object]:
    code = (
        "import json, facerec_site.settings as s\n"
        f"print(json.dumps({{name: getattr(s, name) for name in {names!r}}}, default=str))"
    )
    done = run_python(code, var, **environment)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    found = settings_of(tmp_path, "DATABASES", "CHANNEL_LAYERS", DATABASE_URL="", REDIS_URL="")
    database = found["DATABASES"]["default"]  # type: ignore[index]
    assert database["NAME"] == str(tmp_path / "facerec.sqlite3")
    assert "InMemory" in str(found["CHANNEL_LAYERS"])


def test_value_that_begins_with_a_dollar_is_taken_as_it_is(tmp_path: Path) -> None:
    secret = "$" + 49 * "s"
    found = settings_of(tmp_path, "SECRET_KEY", SECRET_KEY=secret)
    assert found["SECRET_KEY"] == secret
    assert not (tmp_path / "secret_key").exists()
    (tmp_path / ".env").write_text(f"SECRET_KEY={secret}\n")
    found = settings_of(tmp_path, "SECRET_KEY", ENV_FILE=str(tmp_path / ".env"))
    assert found["SECRET_KEY"] == secret


def test_mysql_is_strict_and_reads_what_is_committed(tmp_path: Path) -> None:
    url = "mysql://name:p%40ss@db.example:3307/faces"
    database = settings_of(tmp_path, "DATABASES", DATABASE_URL=url)["DATABASES"]["default"]  # type: ignore[index]
    assert database["ENGINE"].endswith("mysql")
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == (
        "db.example",
        3307,
        "p@ss",
    )
    assert database["OPTIONS"]["isolation_level"] == "read committed"
    assert "STRICT_ALL_TABLES" in database["OPTIONS"]["init_command"]


def test_redis_serves_cache_and_channels(tmp_path: Path) -> None:
    found = settings_of(tmp_path, "CACHES", "CHANNEL_LAYERS", REDIS_URL="redis://cache.example/1")
    assert "redis://cache.example/1" in str(found["CACHES"])
    assert "redis://cache.example/1" in str(found["CHANNEL_LAYERS"])


def test_limits_on_one_wait_are_never_equal(tmp_path: Path) -> None:
    """If two limits on one wait are equal, chance decides which one ends it."""
    from channels_redis.core import RedisChannelLayer

    from facerec_site import health, server
    from recognition.live.ws import groups
    from recognition.notices import publish

    names = "CHANNEL_LAYERS", "CACHES", "DATABASES", "DRAIN_S"
    redis, mysql = "redis://cache.example/1", "mysql://name:secret@db.example/faces"
    found: Any = settings_of(tmp_path, *names, REDIS_URL=redis, DATABASE_URL=mysql)
    (layer,) = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    # Waiting for a message in Redis.
    assert RedisChannelLayer.brpop_timeout < layer["socket_timeout"]
    # A handshake of a websocket, which asks the database and joins groups.
    handshake = [
        found["DATABASES"]["default"]["OPTIONS"]["connect_timeout"],
        layer["socket_connect_timeout"],
        groups._LAYER_TIMEOUT_S,
        server.HANDSHAKE_S,
    ]
    assert handshake == sorted(set(handshake))
    # Publishing a message.
    assert layer["socket_connect_timeout"] < publish._TIMEOUT_S < layer["socket_timeout"]
    # A health probe, which gives up after a second by default.
    assert health.CHANNEL_TIMEOUT_S < 1
    # The end of a process, to which container runtimes give 30 seconds.
    assert found["DRAIN_S"] + serve._PATIENCE_S < 30


def test_cookies_are_secure_with_https(tmp_path: Path) -> None:
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    assert set(settings_of(tmp_path, *names).values()) == {False}
    assert set(settings_of(tmp_path, *names, HTTPS="1").values()) == {True}


def test_commits_of_sqlite_are_on_the_disk_when_they_are_acknowledged(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from django.db import connection\n"
        "print(connection.cursor().execute('PRAGMA synchronous').fetchone()[0])"
    )
    done = run_python(code, tmp_path, DJANGO_SETTINGS_MODULE="facerec_site.settings")
    assert done.stdout.strip() == "2", done.stderr


class TestSecretKey:
    def test_secret_key_is_made_once_and_readable_by_the_owner_only(self, tmp_path: Path) -> None:
        first = settings_of(tmp_path, "SECRET_KEY")
        assert settings_of(tmp_path, "SECRET_KEY") == first
        assert len(str(first["SECRET_KEY"])) >= 50
        assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600

    def test_processes_that_start_together_share_one_secret_key(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            keys = list(pool.map(lambda _: settings_of(tmp_path, "SECRET_KEY"), range(4)))
        assert len({str(key) for key in keys}) == 1
        assert [path.name for path in tmp_path.glob("secret_key*")] == ["secret_key"]

    def test_short_secret_key_is_refused(self, tmp_path: Path) -> None:
        done = run_python("import facerec_site.settings", tmp_path, SECRET_KEY="short")
        assert done.returncode != 0
        assert "at least 40 characters" in done.stderr


@pytest.mark.weights
def test_deployment_check_has_no_warnings(tmp_path: Path) -> None:
    code = (
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(['manage.py', 'check', '--deploy', '--fail-level', 'WARNING'])"
    )
    done = run_python(
        code,
        tmp_path,
        DJANGO_SETTINGS_MODULE="facerec_site.settings",
        HTTPS="1",
        HTTPS_REDIRECT="1",
        HSTS_SECONDS="31536000",
        WEIGHTS_DIR=str(settings.WEIGHTS_DIR),
    )
    assert done.returncode == 0, done.stderr
