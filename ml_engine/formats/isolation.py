"""Work on a user's file in a child process: what goes wrong there leaves this one alone."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from ml_engine.formats.child import VECTORS_FILE
from ml_engine.formats.confinement import CPU_S
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused, ModelUnfinished
from ml_engine.zoo.own import (
    CARD_FILE,
    GRAPH_FILE,
    MAX_CARD_BYTES,
    NETWORK_FILES,
    OWN_DIR,
    REMOVED_MARK,
    OwnCard,
    sha256_of,
)

# The CPU time is what limits the work; a busy machine gives it slowly.
WALL_S = 120.0
_MAX_ANSWER_BYTES = 1 << 24
_ROOT = Path(__file__).resolve().parent.parent.parent
_START = (
    "import sys; sys.path.insert(0, {root!r}); from ml_engine.formats.child import main; main()"
)
# Nothing of this process's environment: it may hold secrets.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Each arena of the allocator takes 64 MB of the address space that is limited.
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_SAID = 2000
# Folders of these names that are older than an hour were left behind.
FOLDER_PREFIX = "facerec-model-"
PART_PREFIX = ".part-"
# A child may take 4 GB: one at a time.
_ALONE = threading.Lock()
# JSON, as the child wrote it.
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Converted:
    """A model that was kept. folder: inside the folder of weights. report: of its probe, see
    `child`. held: limits that held, see `confinement.confine`."""

    card: OwnCard
    folder: Path
    report: Answer
    held: list[str]


def inspect_file(path: Path, wish: Wish | None = None) -> Answer:
    """What is in a file: `kind`, `placeholders`, `operations` with counts, `variables` and
    `constants` with shapes, `outputs` that are possible, and `input` and `output` that were found,
    or else `reason`. Nothing of it is run.

    Raises:
        ModelRefused: it is no model, or cannot be read within the limits.
    """
    with _folder() as folder:
        return _answer("inspect", path, wish or Wish(), folder)["found"]


def convert_file(path: Path, weights_dir: Path, wish: Wish | None = None) -> Converted:
    """Check a file, convert and probe it, and keep the result in the folder of weights. A second
    child checks what is kept; see `kept`.

    Raises:
        ModelRefused: the message names the operation, the layer, or what else is wrong. Nothing is
            kept.
    """
    with _folder() as folder:
        answer = _answer("convert", path, wish or Wish(), folder)
        try:
            with _open_plain(folder / CARD_FILE) as file:
                card = OwnCard.from_bytes(file.read(MAX_CARD_BYTES + 1))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelRefused(f"{path.name} gave no card.", detail=error) from error
        kept = Path(OWN_DIR) / card.sha256
        _keep(folder, weights_dir / kept, card)
        return Converted(card, kept, answer["report"], answer["held"])


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as name:
        yield Path(name)


def _keep(made: Path, folder: Path, card: OwnCard) -> None:
    """Move the files into place: written beside and renamed, so a kept folder is whole. A folder
    with the right files stays as it is, because it may be in use."""
    hashes = {CARD_FILE: card.sha256, NETWORK_FILES[card.runtime]: card.network_sha256}
    if card.graph_sha256:
        hashes[GRAPH_FILE] = card.graph_sha256
    if _is_kept(folder, hashes):
        (folder / REMOVED_MARK).unlink(missing_ok=True)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=PART_PREFIX))
    try:
        for name in hashes:
            _copy(made / name, beside / name)
        beside.chmod(0o755)
        if not _is_kept(beside, hashes):
            raise ModelRefused("The converted files are not those of their card.")
        with _folder() as scratch:
            _copy(made / VECTORS_FILE, scratch / VECTORS_FILE)
            _answer("check", beside, Wish(), scratch)
        _put_in_place(beside, folder, hashes)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _copy(made: Path, beside: Path) -> None:
    try:
        source = _open_plain(made)
    except OSError as error:
        raise ModelRefused(f"{made.name} was not made.", detail=error) from error
    with source, beside.open("xb") as file:
        shutil.copyfileobj(source, file)


def _is_kept(folder: Path, hashes: dict[str, str]) -> bool:
    try:
        return all(sha256_of(folder / name) == wanted for name, wanted in hashes.items())
    except OSError:
        return False


def _put_in_place(beside: Path, folder: Path, hashes: dict[str, str]) -> None:
    """The rename fails if the folder is there: another process kept the same, or it is damaged."""
    try:
        beside.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _is_kept(folder, hashes):
            for name in hashes:
                (beside / name).replace(folder / name)


def _answer(action: str, path: Path, wish: Wish, folder: Path) -> Answer:
    path = path.resolve()
    if not path.exists():
        raise ModelRefused(f"There is no file {path.name}.")
    request = {"action": action, "path": str(path), "folder": str(folder), "wish": asdict(wish)}
    with _ALONE:
        status, said = _run(json.dumps(request), folder)
    answer = _read(folder / "answer.json")
    if answer is None or status != 0:
        kind = ModelUnfinished if status in (None, -signal.SIGKILL) else ModelRefused
        raise kind(f"{path.name} {_cause(status)}.", detail=said[-_SAID:] or None)
    if refused := answer.get("refused"):
        error = ModelRefused(str(refused["message"]), detail=refused.get("detail"))
        error.code = str(refused["code"])
        raise error
    return answer


def _run(request: str, folder: Path) -> tuple[int | None, str]:
    """The child's exit status (None: it took too long) and what it said."""
    environment = _ENVIRONMENT | {"TMPDIR": str(folder), "HOME": str(folder)}
    with (folder / "said").open("w+b") as said:
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", _START.format(root=str(_ROOT))],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        try:
            child.communicate(request.encode(), timeout=WALL_S)
            status: int | None = child.returncode
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(child)
        said.seek(max(0, said.seek(0, os.SEEK_END) - _SAID))
        return status, said.read().decode(errors="replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Also of what it may have started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(path: Path) -> Answer | None:
    try:
        with _open_plain(path) as file:
            content = file.read(_MAX_ANSWER_BYTES + 1)
        answer = json.loads(content) if len(content) <= _MAX_ANSWER_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _open_plain(path: Path) -> BinaryIO:
    """A file that the child wrote. OSError if it is something else: a link would be followed, and a
    pipe would keep this process waiting."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no plain file", path.name)
    return file


def _cause(status: int | None) -> str:
    if status is None:
        return f"takes more than {WALL_S:.0f} seconds"
    if status == -signal.SIGKILL:
        return "was given up by the system, as it does if memory is short"
    if status == -signal.SIGXCPU:
        return f"takes more than {CPU_S} seconds of CPU"
    if status < 0:
        return f"makes its reader fail ({signal.Signals(-status).name}): too large, or damaged"
    return "could not be read"
