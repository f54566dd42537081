from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tools import prepare

MYSQL = "mysql://name:secret@db.example/facerec"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DB", "DATABASE_URL", "ENV_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(prepare, "ROOT", tmp_path)
    monkeypatch.setattr(prepare, "VENV", tmp_path / "no-venv")


@pytest.mark.parametrize(
    ("written", "purposes"),
    [
        ("", []),
        ("DB=mysql", ["mysql"]),
        ("# DB=mysql", []),
        (f"PORT=8001\nDATABASE_URL='{MYSQL}'\n", ["mysql-client"]),
        ("DATABASE_URL=sqlite:////tmp/x", []),
    ],
)
def test_dot_env_says_whether_mysql_is_wanted(
    tmp_path: Path, written: str, purposes: list[str]
) -> None:
    (tmp_path / ".env").write_text(written)
    assert prepare.purposes_of_settings() == purposes


def test_environment_goes_before_dot_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DB=mysql")
    monkeypatch.setenv("DB", "")
    assert prepare.purposes_of_settings() == []


@pytest.mark.parametrize(
    ("purposes", "locks"),
    [
        ([], ["cpu"]),
        (["mysql"], ["cpu", "mysql"]),
        (["mysql-client"], ["cpu", "mysql"]),
        (["dev"], ["cpu", "dev"]),
        (["lint"], ["cpu", "dev"]),
        (["test"], ["cpu", "mysql", "dev"]),
    ],
)
def test_lock_files_follow_purposes(
    monkeypatch: pytest.MonkeyPatch, purposes: list[str], locks: list[str]
) -> None:
    monkeypatch.setattr(prepare, "has_gpu", lambda: False)
    assert prepare.locks_for(purposes) == locks


def test_gpu_has_a_lock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "has_gpu", lambda: True)
    assert prepare.locks_for([]) == ["gpu"]


@pytest.mark.parametrize(
    ("found", "is_good"), [((3, 10), False), ((3, 11), True), ((3, 14), False)]
)
def test_unsupported_python_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: tuple[int, int], is_good: bool
) -> None:
    monkeypatch.setattr(prepare.sys, "version_info", (*found, 0, "final", 0))
    if is_good:
        prepare.check_python()
        return
    with pytest.raises(SystemExit, match=r"Python 3\.11 to 3\.13 is needed.*PYTHON="):
        prepare.check_python()


class TestInstall:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("locks", "venv"):
            (tmp_path / name).mkdir()
        monkeypatch.setattr(prepare, "LOCKS", tmp_path / "locks")
        monkeypatch.setattr(prepare, "VENV", tmp_path / "venv")
        self.venv, self.locks = tmp_path / "venv", tmp_path / "locks"
        for name in ("cpu", "gpu", "dev"):
            (self.locks / f"lock-{name}.txt").write_text(f"{name}==1")

    def fake_pip(self, status: int) -> None:
        """A program instead of Python that records its arguments and ends with this status."""
        python = self.venv / "bin" / "python"
        python.parent.mkdir(exist_ok=True)
        python.write_text(f'#!/bin/sh\necho "$@" >> {self.venv}/calls\nexit {status}\n')
        python.chmod(0o755)

    def install(self, *names: str) -> None:
        """Install what is missing, as `main` does."""
        prepare.install([name for name in names if not prepare._is_installed(name)])

    def calls(self) -> list[str]:
        path = self.venv / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def test_packages_on_disk_are_not_installed_again(self) -> None:
        self.fake_pip(0)
        self.install("cpu")
        self.install("cpu")
        assert len(self.calls()) == 1
        assert "--require-hashes" in self.calls()[0]

    def test_a_changed_lock_is_installed(self) -> None:
        self.fake_pip(0)
        self.install("cpu", "dev")
        (self.locks / "lock-dev.txt").write_text("dev==2")
        self.install("cpu", "dev")
        assert len(self.calls()) == 2
        assert "lock-dev" in self.calls()[1]
        assert "lock-cpu" not in self.calls()[1]

    def test_failed_installation_is_tried_again(self) -> None:
        self.fake_pip(1)
        with pytest.raises(SystemExit, match="Check the network"):
            self.install("cpu")
        self.fake_pip(0)
        self.install("cpu")
        assert len(self.calls()) == 2

    @pytest.mark.parametrize("made_for", ["cpu", "gpu"])
    def test_kind_of_tensorflow_is_kept(
        self, monkeypatch: pytest.MonkeyPatch, made_for: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Never both, because they overwrite each other."""
        self.fake_pip(0)
        self.install(made_for)
        monkeypatch.setattr(prepare, "has_gpu", lambda: made_for == "cpu")
        assert prepare.locks_for([]) == [made_for]
        assert ("make clean" in capsys.readouterr().out) == (made_for == "cpu")


class TestScriptLinters:
    @pytest.fixture
    def npm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A program that makes node_modules like npm, and records its arguments."""
        program = tmp_path / "npm"
        program.write_text(
            '#!/bin/sh\nmkdir -p node_modules\necho "$1" >> calls\nexit $(cat status)\n'
        )
        program.chmod(0o755)
        (tmp_path / "status").write_text("0")
        (tmp_path / "package-lock.json").write_text("{}")
        monkeypatch.setattr(prepare.system, "find_program", lambda name: str(program))
        return tmp_path

    def calls(self, folder: Path) -> list[str]:
        return (folder / "calls").read_text().split()

    def test_linters_that_are_installed_are_not_installed_again(self, npm: Path) -> None:
        prepare.install_script_linters()
        prepare.install_script_linters()
        assert self.calls(npm) == ["ci"]

    def test_linters_of_a_changed_lock_are_installed(self, npm: Path) -> None:
        prepare.install_script_linters()
        (npm / "package-lock.json").write_text("{ }")
        prepare.install_script_linters()
        assert self.calls(npm) == ["ci", "ci"]

    def test_linters_that_failed_are_tried_again(self, npm: Path) -> None:
        (npm / "status").write_text("1")
        with pytest.raises(SystemExit, match="Check the network"):
            prepare.install_script_linters()
        (npm / "status").write_text("0")
        prepare.install_script_linters()
        assert self.calls(npm) == ["ci", "ci"]

    def test_lock_of_npm_holds_exact_versions_with_hashes_and_no_registry(self) -> None:
        folder = Path(__file__).parents[2]
        wanted = json.loads((folder / "package.json").read_text())["devDependencies"]
        packages = json.loads((folder / "package-lock.json").read_text())["packages"]
        pins = {name: packages[f"node_modules/{name}"]["version"] for name in wanted}
        assert wanted == pins
        installed = [package for name, package in packages.items() if name]
        assert all(package["integrity"].startswith("sha512-") for package in installed)
        assert not any("resolved" in package for package in installed)


class TestLocks:
    """The committed lock files."""

    folder = Path(__file__).parents[2] / "requirements"

    def pins(self, name: str) -> dict[str, set[str]]:
        text = (self.folder / f"lock-{name}.txt").read_text()
        pins: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE):
            pins.setdefault(package, set()).add(version)
        return pins

    def wanted(self, name: str) -> set[str]:
        names: set[str] = set()
        for line in (self.folder / f"{name}.txt").read_text().splitlines():
            if line.startswith("-r "):
                names |= self.wanted(line[3:].removesuffix(".txt"))
            elif found := re.match(r"[A-Za-z0-9._-]+", line):
                names.add(re.sub(r"[._-]+", "-", found.group()).lower())
        return names

    @pytest.mark.parametrize("name", ["cpu", "gpu", "mysql", "dev", "onnx"])
    def test_lock_file_holds_every_requirement(self, name: str) -> None:
        missing = self.wanted(name) - set(self.pins(name))
        assert not missing, f"run `make lock`: {missing}"

    @pytest.mark.parametrize("name", ["gpu", "mysql", "dev", "onnx"])
    def test_lock_file_agrees_with_the_lock_of_the_site(self, name: str) -> None:
        base = self.pins("cpu")
        other = self.pins(name)
        assert {p: other[p] for p in other if p in base} == {p: base[p] for p in other if p in base}

    @pytest.mark.parametrize("name", ["cpu", "gpu", "mysql", "dev", "onnx"])
    def test_lock_file_has_one_opencv_hashes_and_no_registry(self, name: str) -> None:
        text = (self.folder / f"lock-{name}.txt").read_text()
        pins = self.pins(name)
        assert {p for p in pins if p.startswith("opencv")} <= {"opencv-python-headless"}
        assert "://" not in text
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert entries
        assert all("--hash=sha256:" in entry for entry in entries)

    def test_each_lock_file_has_one_kind_of_tensorflow(self) -> None:
        assert "tensorflow-cpu" not in self.pins("gpu")
        assert "tensorflow-cpu" in self.pins("cpu")
