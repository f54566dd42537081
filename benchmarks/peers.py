"""Other packages to measure against, each in a throw-away environment under `var/peers`.

They pull in versions of their own, so they never share an environment with the project. An
environment is made once, under a name made of what is in it, and used again; `make clean` or
deleting the folder throws it away.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "peers"
_TENSORFLOW = "tensorflow-cpu" if platform.machine() == "x86_64" else "tensorflow"
_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Peer:
    """packages: as pip takes them."""

    name: str
    packages: tuple[str, ...]


PEERS = {
    "dlib": Peer("dlib", ("dlib-bin==20.0.1.post1", "numpy~=2.4.0")),
    "mtcnn": Peer("mtcnn", ("mtcnn==1.0.0", f"{_TENSORFLOW}~=2.21.0", "numpy~=2.4.0")),
}


class PeerUnavailable(RuntimeError):
    """The environment could not be made: no network, or no wheel for this machine."""


def peer_python(name: str) -> Path:
    """The interpreter of a peer's environment, which is made where it is missing."""
    peer = PEERS[name]
    digest = hashlib.sha256(" ".join((sys.version, *peer.packages)).encode()).hexdigest()[:8]
    folder = FOLDER / f"{name}-{digest}"
    python = folder / "bin" / "python"
    is_whole = folder / "is_whole"
    if not is_whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *peer.packages])
        is_whole.touch()
    return python


def run_peer(
    name: str, script: Path, *arguments: str | Path, timeout_s: float = _TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a script with a peer's interpreter, and nothing of ours on its path."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    command = [str(peer_python(name)), str(script), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {script.name} failed:\n{done.stderr[-2000:]}")
    return done


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise PeerUnavailable(lines[-1] if lines else f"{command[0]} failed")
