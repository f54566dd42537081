"""`python3 -m tools.prepare [dev] [lint] [test]`: system packages and the virtual environment.

Without arguments this installs what the site needs, with MySQL's client if DB or DATABASE_URL needs
it, in the environment or in `.env`. `dev` adds the Python linters and the packages of the tests.
`lint` also adds the linters of the scripts, which npm puts into node_modules; nothing else needs
npm.

All packages are pinned with hashes in requirements/lock-*.txt. A stamp file records the installed
lock, so that a second call takes no time. Run this with the Python that the environment must use.
Only the standard library is available at this point.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import system
from tools.messages import note, stop

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = ROOT / "requirements"
# The Python versions for which TensorFlow has wheels.
OLDEST, NEWEST = (3, 11), (3, 13)
PURPOSES = ("dev", "lint", "test")


def main(purposes: list[str]) -> None:
    unknown = [word for word in purposes if word not in PURPOSES]
    if unknown:
        stop(f"unknown purpose {unknown[0]}; there are {', '.join(PURPOSES)}")
    check_python()
    purposes = [*purposes, *purposes_of_settings()]
    missing = [name for name in locks_for(purposes) if not _is_installed(name)]
    system.ensure(
        system.parts_for(purposes, has_venv=_has_venv(), has_mysql_client="mysql" not in missing)
    )
    make_environment()
    install(missing)
    if "lint" in purposes:
        install_script_linters()


def check_python() -> None:
    found = sys.version_info[:2]
    if not OLDEST <= found <= NEWEST:
        stop(
            f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed and this is {found[0]}.{found[1]}. "
            "Name another one: make PYTHON=python3.12 ..."
        )


def purposes_of_settings() -> list[str]:
    """`mysql` for a private server, `mysql-client` for an existing server, or nothing."""
    if _setting("DB") == "mysql":
        return ["mysql"]
    return ["mysql-client"] if _setting("DATABASE_URL").startswith("mysql") else []


def _setting(name: str) -> str:
    """A variable of the environment or of `.env`. Reads less syntax than the site does, which is
    enough here."""
    if name in os.environ:
        return os.environ[name]
    path = Path(os.environ.get("ENV_FILE") or ROOT / ".env")
    lines = path.read_text().splitlines() if path.is_file() else []
    found = [line.split("=", 1)[1] for line in lines if line.startswith(name + "=")]
    return found[-1].strip().strip("'\"") if found else ""


def locks_for(purposes: list[str]) -> list[str]:
    """Names of the locks to install, in order."""
    names = [kind()]
    if {"mysql", "mysql-client", "test"} & set(purposes):
        names.append("mysql")
    if not set(PURPOSES).isdisjoint(purposes):
        names.append("dev")
    return names


def kind() -> str:
    """`gpu` or `cpu`. An environment keeps its kind, because `tensorflow` and `tensorflow-cpu`
    overwrite each other's files."""
    made_for = [name for name in ("gpu", "cpu") if _stamp(name).exists()]
    if made_for == ["cpu"] and has_gpu():
        note(f"there is a GPU, but {VENV.name} was made without it: run `make clean` to use it")
    return made_for[0] if made_for else ("gpu" if has_gpu() else "cpu")


def has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "GPU" in done.stdout


def _has_venv() -> bool:
    return (VENV / "bin" / "python").exists()


def make_environment() -> None:
    if _has_venv():
        return
    note(f"making {VENV.name} with Python {sys.version.split()[0]}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False)
    if done.returncode:
        stop(f"{VENV} could not be made; see the lines above.")


def install(names: list[str]) -> None:
    """Install these locks into the environment."""
    if not names:
        return
    note(f"installing Python packages ({', '.join(names)}); the first time takes minutes")
    files = [part for name in names for part in ("-r", str(_lock(name)))]
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes", *files]
    done = subprocess.run([*command, "--disable-pip-version-check"], check=False)
    if done.returncode:
        stop(
            "pip could not install the packages; see the lines above. Check the network, or the "
            "package index that pip is set to (pip config list), and run make again."
        )
    for name in names:
        _stamp(name).write_text(_fingerprint(name))


def install_script_linters() -> None:
    """Install ESLint and TypeScript in the versions of package-lock.json."""
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    stamp = ROOT / "node_modules" / ".lock"
    if stamp.exists() and stamp.read_text() == lock:
        return
    note("installing the linters of the scripts")
    npm = system.find_program("npm") or "npm"
    done = subprocess.run([npm, "ci", "--no-progress"], cwd=ROOT, check=False)
    if done.returncode:
        stop(
            "npm could not install the packages; see the lines above. Check the network, or the "
            "registry that npm is set to (npm config get registry), and run make again."
        )
    stamp.write_text(lock)


def _lock(name: str) -> Path:
    return LOCKS / f"lock-{name}.txt"


def _stamp(name: str) -> Path:
    return VENV / f".lock-{name}"


def _fingerprint(name: str) -> str:
    return hashlib.sha256(_lock(name).read_bytes()).hexdigest()


def _is_installed(name: str) -> bool:
    stamp = _stamp(name)
    return stamp.exists() and stamp.read_text() == _fingerprint(name)


if __name__ == "__main__":
    main(sys.argv[1:])
