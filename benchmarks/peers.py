"""Other packages to compare with, each in a disposable environment below `var/peers`.

They are never installed into the environment of the project. Some need other versions of packages;
the others find in ours what they need. The name of an environment is derived from its packages. It
is made once and used until its folder is deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "peers"
_OURS = sysconfig.get_path("purelib")
_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Peer:
    """packages: requirements for pip. is_apart: without the packages of our environment."""

    name: str
    packages: tuple[str, ...]
    is_apart: bool = False


PEERS = {
    "deepface": Peer(
        "deepface",
        (
            "deepface[api]==0.0.103",
            "mtcnn==1.0.0",
            "dlib-bin==20.0.1.post1",
            # tf-keras, which the package requires, installs this one.
            "tensorflow~=2.21.0",
            "tf-keras~=2.21.0",
            "numpy~=2.4.0",
            "faiss-cpu~=1.13.0",
        ),
        is_apart=True,
    ),
    "dlib": Peer("dlib", ("dlib-bin==20.0.1.post1",)),
    "mtcnn": Peer("mtcnn", ("mtcnn==1.0.0",)),
}


class PeerUnavailable(RuntimeError):
    """The environment could not be made: no network, or no wheel for this machine."""


def peer_python(name: str) -> Path:
    """The interpreter of a peer's environment. The environment is made if it is missing."""
    peer = PEERS[name]
    told = (sys.version, *peer.packages, "" if peer.is_apart else _OURS)
    digest = hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]
    folder = FOLDER / f"{name}-{digest}"
    python = folder / "bin" / "python"
    is_whole = folder / "is_whole"
    if not is_whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        if not peer.is_apart:
            (site,) = folder.glob("lib/python*/site-packages")
            (site / "ours.pth").write_text(_OURS)
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        _run([*pip, "install", "--quiet", *peer.packages])
        is_whole.touch()
    return python


def run_peer(
    name: str, script: Path, *arguments: str | Path, timeout_s: float = _TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Run a script with a peer's interpreter."""
    command = [str(peer_python(name)), str(script), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=_environment(), check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {script.name} failed:\n{done.stderr[-2000:]}")
    return done


class Process:
    """A script that answers one line of JSON with another, so that several take turns in one run.

    Args:
        python: the interpreter: a peer's, or our own for what runs in our environment.
    """

    def __init__(self, python: Path | str, script: Path, *arguments: str | Path) -> None:
        self._script = script
        self._process = subprocess.Popen(
            [str(python), str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(),
        )
        self.ask()  # it answers when it is ready

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        # Libraries write other lines to the same output.
        while line := self._process.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self._script.name} ended with status {self._process.wait()}")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def _environment() -> dict[str, str]:
    """The environment of a peer, without our packages on its path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3"}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise PeerUnavailable(lines[-1] if lines else f"{command[0]} failed")
