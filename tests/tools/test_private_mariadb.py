"""A real MariaDB is made, used and stopped."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.private_mariadb import MariadbServer, private_mariadb
from tools.system import find_program

MySQLdb = pytest.importorskip("MySQLdb")
pytestmark = pytest.mark.skipif(
    find_program("mariadbd", "mysqld") is None, reason="MariaDB is not installed"
)


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A cursor on the database of DATABASE_URL."""
    import environ

    found = environ.Env.db_url_config(url)
    connection = MySQLdb.connect(
        host=found["HOST"],
        port=found["PORT"],
        user=found["USER"],
        password=found["PASSWORD"],
        database=found["NAME"],
    )
    with closing(connection), connection.cursor() as cursor:
        yield cursor


def pid_in(folder: Path) -> int:
    return int((folder / "pid").read_text())


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_private_mariadb_keeps_data_and_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "mariadb"
    with private_mariadb(folder, is_disposable=True) as url:
        pid = pid_in(folder)
        with connected(url) as cursor:
            cursor.execute("CREATE TABLE seen (name VARCHAR(9)) CHARACTER SET utf8mb4")
            cursor.execute("INSERT INTO seen VALUES ('Zoë 🙂')")
            cursor.connection.commit()
        # A second caller shares it and leaves it running.
        with private_mariadb(folder, is_disposable=True) as second:
            assert second == url
        assert is_alive(pid)
    assert not is_alive(pid)
    with private_mariadb(folder, is_disposable=True) as url, connected(url) as cursor:
        cursor.execute("SELECT name FROM seen")
        assert cursor.fetchall() == (("Zoë 🙂",),)


def test_private_mariadb_answers_loopback_with_password_only(tmp_path: Path) -> None:
    folder = tmp_path / "mariadb"
    with private_mariadb(folder, is_disposable=True) as url:
        with connected(url) as cursor:
            cursor.execute("SELECT @@bind_address")
            assert cursor.fetchone() == ("127.0.0.1",)
            cursor.execute("SELECT @@tmpdir")
            assert cursor.fetchone() == (str(folder / "tmp"),)
        password = (folder / "password").read_text()
        assert len(password) >= 32
        for secret in ("password", "init.sql"):
            assert stat.S_IMODE((folder / secret).stat().st_mode) == 0o600
        with pytest.raises(MySQLdb.OperationalError), connected(url.replace(password, "guess")):
            pass
        with pytest.raises(MySQLdb.OperationalError), connected(url.replace("//facerec", "//root")):
            pass


def test_private_mariadb_of_a_killed_owner_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "mariadb"
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tools.private_mariadb import private_mariadb\n"
        "with private_mariadb(Path(sys.argv[1]), is_disposable=True):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=os.curdir
    )
    assert owner.stdout is not None
    while "up" not in owner.stdout.readline():
        assert owner.poll() is None
    orphan = pid_in(folder)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert is_alive(orphan)
    with private_mariadb(folder, is_disposable=True) as url, connected(url) as cursor:
        cursor.execute("SELECT 1")
        assert not is_alive(orphan)
        assert pid_in(folder) != orphan


def test_killed_private_mariadb_finds_committed_rows(tmp_path: Path) -> None:
    server = MariadbServer(tmp_path / "mariadb")
    server.start()
    try:
        url = server.url
        with connected(url) as cursor:
            cursor.execute("CREATE TABLE seen (number INT)")
            cursor.execute("INSERT INTO seen VALUES (7)")
            cursor.connection.commit()
        server.kill()
        with pytest.raises(MySQLdb.OperationalError), connected(url):
            pass
        server.start()
        assert server.url == url
        with connected(url) as cursor:
            cursor.execute("SELECT number FROM seen")
            assert cursor.fetchall() == ((7,),)
    finally:
        server.stop()


def test_private_mariadb_that_fails_to_start_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.private_mariadb._mariadbd", lambda: "/bin/false")
    monkeypatch.setattr("tools.private_mariadb._set_up", lambda data: None)
    started = time.monotonic()
    with (
        pytest.raises(SystemExit, match=r"did not start; see .*error\.log"),
        private_mariadb(tmp_path / "mariadb"),
    ):
        pass
    assert time.monotonic() - started < 30
