"""System packages that are needed besides Python. Missing ones are installed if we have the right
to; otherwise the command that installs them is shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.messages import note, stop

# On Debian, servers are in folders that are not in the PATH of ordinary users.
_SERVER_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
SYSTEM_PYTHON = "/usr/bin/python3"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Part:
    """A requirement. `packages` are the packages of Debian and Ubuntu that provide it."""

    name: str
    packages: tuple[str, ...]
    is_there: Callable[[], bool]


def find_program(*names: str) -> str | None:
    """The path of the first of these programs that exists, or None."""
    found = (shutil.which(name, path=_SERVER_PATH) for name in names)
    return next((path for path in found if path), None)


def _runs(*names: str) -> Callable[[], bool]:
    return lambda: find_program(*names) is not None


def _has_node() -> bool:
    """True if npm and a Node.js that is new enough for ESLint are there."""
    node = find_program("node")
    if node is None or find_program("npm") is None:
        return False
    order = "process.versions.node.localeCompare('18.18', 'en', {numeric: true})"
    return _succeeds([node, "-e", f"process.exit({order} < 0 ? 1 : 0)"])


def _makes_environments() -> bool:
    # Debian's python3 package does not contain `ensurepip`.
    code = "import ensurepip, venv"
    return _succeeds([sys.executable, "-c", code])


def _has_python_headers() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()


def _has_mysql_headers() -> bool:
    packages = ("libmariadb", "mysqlclient", "mariadb")
    return any(_succeeds(["pkg-config", "--exists", name]) for name in packages)


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _is_ubuntu() -> bool:
    # Ubuntu's Chromium package is a snap, which needs a running snapd; containers have none.
    release = Path("/etc/os-release")
    return release.exists() and "ubuntu" in release.read_text().lower()


PYTHON = (Part("venv for Python", ("python3-venv",), _makes_environments),)
# mysqlclient has no wheels and must be compiled.
MYSQL_CLIENT = (
    Part("a C compiler", ("gcc", "libc6-dev"), _runs("cc", "gcc", "clang")),
    Part("pkg-config", ("pkg-config",), _runs("pkg-config")),
    Part("Python's headers", ("python3-dev",), _has_python_headers),
    Part("MariaDB's client library", ("libmariadb-dev",), _has_mysql_headers),
)
# The core packages contain the server without a system service.
MARIADB = (
    Part("MariaDB", ("mariadb-server-core", "mariadb-client-core"), _runs("mariadbd", "mysqld")),
    Part("MariaDB's set-up", ("mariadb-client-core",), _runs("my_print_defaults")),
)
REDIS = (Part("Redis", ("redis-server",), _runs("redis-server", "valkey-server")),)


def _has_rtsp_server() -> bool:
    # Its bindings are made for the system's own Python.
    code = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return _succeeds([SYSTEM_PYTHON, "-c", code])


_GSTREAMER = ("gir1.2-gst-rtsp-server-1.0", "python3-gi")
RTSP_SERVER = (Part("GStreamer's RTSP server", _GSTREAMER, _has_rtsp_server),)
CHROMIUM = (Part("Chromium", ("chromium", "fonts-liberation"), _runs(*CHROMIUM_NAMES)),)

NODE = (Part("Node.js 18.18 or newer with npm", ("nodejs", "npm"), _has_node),)


def parts_for(
    purposes: Iterable[str], *, has_venv: bool = False, has_mysql_client: bool = False
) -> list[Part]:
    """The requirements of the site (with or without MySQL), the tests, and the script linters.

    What is needed only to make a part of the environment is left out if that part exists already.
    """
    wanted = set(purposes)
    parts = [] if has_venv else list(PYTHON)
    if wanted & {"mysql", "mysql-client", "test"} and not has_mysql_client:
        parts += MYSQL_CLIENT
    if wanted & {"mysql", "test"}:
        parts += MARIADB
    if "test" in wanted:
        parts += [*REDIS, *RTSP_SERVER]
        parts += [] if _is_ubuntu() else CHROMIUM
    if "lint" in wanted:
        parts += NODE
    return parts


def ensure(parts: list[Part]) -> None:
    """Install what is missing. If that is not possible, stop and show the command to run."""
    missing = [part for part in parts if not part.is_there()]
    if not missing:
        return
    packages = list(dict.fromkeys(name for part in missing for name in part.packages))
    names = ", ".join(part.name for part in missing)
    apt = _apt()
    if apt is None:
        stop(f"{names} missing. {_by_hand(packages)}")
    note(f"installing {' '.join(packages)}")
    if not _install(apt, packages):
        stop(f"{names} missing, and apt-get could not install it. {_by_hand(packages)}")
    still = [part.name for part in missing if not part.is_there()]
    if still:
        stop(f"{', '.join(still)} still missing after apt-get installed {' '.join(packages)}.")


def _by_hand(packages: list[str]) -> str:
    if shutil.which("apt-get"):
        return f"Run: sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"
    return f"Install your system's packages for {' '.join(packages)} (names of Debian and Ubuntu)."


def _apt() -> list[str] | None:
    """The command for apt-get without questions; None if we may not install packages."""
    if shutil.which("apt-get") is None:
        return None
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    if os.geteuid() == 0:
        return [*environment, "apt-get"]
    if shutil.which("sudo") and _succeeds(["sudo", "-n", "true"]):
        return ["sudo", "-n", *environment, "apt-get"]
    return None


def _install(apt: list[str], packages: list[str]) -> bool:
    command = [*apt, "install", "-y", "-q", "--no-install-recommends", *packages]
    if _run_quietly(command):
        return True
    # The list of packages may be old; on a new machine there is none.
    return _run_quietly([*apt, "update", "-q"]) and _run_quietly(command, is_last=True)


def _run_quietly(command: list[str], *, is_last: bool = False) -> bool:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode and is_last:
        print(done.stdout[-2000:], file=sys.stderr)
    return done.returncode == 0
