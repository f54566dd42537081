from __future__ import annotations

from pathlib import Path

import pytest

from tools import system
from tools.system import Part

HERE = Part("something", ("some-package",), lambda: True)
MISSING = Part("a thing", ("thing-package", "thing-dev"), lambda: False)


def test_no_system_package_is_installed_if_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_apt", lambda: pytest.fail("asked for apt"))
    system.ensure([HERE])


def test_missing_system_package_names_the_command_without_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system, "_apt", lambda: None)
    monkeypatch.setattr(system.shutil, "which", lambda name: "/usr/bin/apt-get")
    with pytest.raises(SystemExit) as caught:
        system.ensure([HERE, MISSING])
    assert str(caught.value) == (
        "facerec: a thing missing. Run: sudo apt-get update && "
        "sudo apt-get install -y thing-package thing-dev"
    )


def fake_apt(folder: Path, script: str) -> list[str]:
    program = folder / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$1" >> {folder}/calls\n{script}\n')
    program.chmod(0o755)
    return [str(program)]


def test_package_lists_are_updated_if_a_package_is_not_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "listed"
    script = f'if [ "$1" = update ]; then touch {listed}; else test -f {listed}; fi'
    monkeypatch.setattr(system, "_apt", lambda: fake_apt(tmp_path, script))
    part = Part("a thing", ("thing",), lambda: len(calls()) == 3)

    def calls() -> list[str]:
        path = tmp_path / "calls"
        return path.read_text().split() if path.exists() else []

    system.ensure([part])
    assert calls() == ["install", "update", "install"]


def test_failed_apt_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system, "_apt", lambda: fake_apt(tmp_path, "exit 100"))
    with pytest.raises(SystemExit, match="a thing missing, and apt-get could not install it"):
        system.ensure([MISSING])


@pytest.mark.parametrize(
    ("purposes", "wanted", "unwanted"),
    [
        ([], "python3-venv", "libmariadb-dev"),
        (["dev"], "python3-venv", "nodejs"),
        (["lint"], "nodejs", "libmariadb-dev"),
        (["mysql-client"], "libmariadb-dev", "mariadb-server-core"),
        (["mysql"], "mariadb-server-core", "redis-server"),
        (["test"], "redis-server", "nodejs"),
        (["test"], "gir1.2-gst-rtsp-server-1.0", "nodejs"),
        (["dev"], "python3-venv", "gir1.2-gst-rtsp-server-1.0"),
    ],
)
def test_system_packages_follow_the_purpose(
    purposes: list[str], wanted: str, unwanted: str
) -> None:
    packages = {name for part in system.parts_for(purposes) for name in part.packages}
    assert wanted in packages
    assert unwanted not in packages


@pytest.mark.parametrize(("status", "is_there"), [(0, True), (1, False)])
def test_node_is_asked_whether_it_is_new_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, is_there: bool
) -> None:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setattr(system, "find_program", lambda name: str(program))
    assert system.NODE[0].is_there() == is_there


def test_node_without_npm_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "find_program", lambda name: None if name == "npm" else "/bin/true")
    assert not system.NODE[0].is_there()


def test_installed_mysql_client_needs_no_compiler() -> None:
    parts = system.parts_for(["mysql-client"], has_venv=True, has_mysql_client=True)
    assert parts == []
