"""The command line: what it prints, writes and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_engine import __main__ as command_line
from ml_engine.__main__ import NO_FACE, NOT_THE_SAME, main
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.types import WeightsUnavailable
from tests import pictures


@pytest.fixture
def photos(tmp_path: Path, sample_photo: Callable[[str], bytes]) -> dict[str, str]:
    paths = {}
    for name in ("obama", "obama2", "biden"):
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(sample_photo(name))
        paths[name] = str(path)
    nobody = tmp_path / "nobody.jpg"
    nobody.write_bytes(pictures.no_face())
    return {**paths, "nobody": str(nobody)}


@pytest.fixture
def with_engine(real_engine: FaceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands use the test run's engine instead of loading one each."""
    monkeypatch.setattr(command_line, "_engine", lambda options: real_engine)


@pytest.mark.weights
@pytest.mark.usefixtures("with_engine")
class TestPhotos:
    def test_detect_prints_faces_as_text(
        self, photos: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["detect", photos["obama"], photos["biden"]]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{photos['obama']}: 1 face"
        assert "score" in lines[1]
        assert "quality" in lines[1]

    def test_detect_prints_json_and_draws_boxes(
        self, photos: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "boxes.png"
        assert main(["detect", photos["obama"], "--json", "--out", str(out)]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        (face,) = found["faces"]
        x, y, _, height = (round(value) for value in face["box"])
        assert len(face["landmarks"]) == 5
        assert face["quality"]["score"] > 0.5
        assert "embedding" not in face
        before = decode_image(Path(photos["obama"]).read_bytes()).astype(int)
        after = decode_image(out.read_bytes()).astype(int)
        assert before.shape == after.shape
        is_changed = (np.abs(before - after) > 30).any(axis=2)
        assert is_changed[y + height // 2, x - 1 : x + 2].any(), "the left edge of the box"
        assert not is_changed[: y // 3].any(), "nothing far away from it"

    def test_detect_draws_several_pictures_into_a_folder(
        self, photos: dict[str, str], tmp_path: Path
    ) -> None:
        out = tmp_path / "boxes"
        assert main(["detect", photos["obama"], photos["biden"], "--out", str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == ["1-obama.jpg", "2-biden.jpg"]

    def test_photo_without_a_face_has_its_own_exit_status(
        self, photos: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["detect", photos["nobody"]]) == NO_FACE
        assert "no face" in capsys.readouterr().out
        assert main(["compare", photos["obama"], photos["nobody"]]) == NO_FACE

    def test_compare_says_one_person_or_not(
        self, photos: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["compare", photos["obama"], photos["obama2"]]) == 0
        assert "one person" in capsys.readouterr().out
        assert main(["compare", photos["obama"], photos["biden"]]) == NOT_THE_SAME
        assert "not one person" in capsys.readouterr().out

    def test_compare_as_json_takes_every_pair(
        self, photos: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        everybody = [photos["obama"], photos["obama2"], photos["biden"]]
        assert main(["compare", *everybody, "--json"]) == NOT_THE_SAME
        pairs = json.loads(capsys.readouterr().out)
        assert [pair["is_same"] for pair in pairs] == [True, False, False]
        assert pairs[0]["similarity"] > pairs[0]["threshold"] > pairs[1]["similarity"]
        assert pairs[0]["false_match_rate"] < 1e-4 < pairs[1]["false_match_rate"]

    def test_embed_prints_vectors_of_length_one(
        self, photos: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["embed", photos["obama"], "--json", "--flip"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        vector = np.array(found["faces"][0]["embedding"])
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_missing_photo_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detect", str(tmp_path / "nothing.jpg")]) == 1
    error = capsys.readouterr().err
    assert error == f"error: {tmp_path / 'nothing.jpg'}: No such file or directory\n"


def test_broken_photo_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"text")
    assert main(["detect", str(broken)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {broken}: This is not a")
    assert error.count("\n") == 1


def test_missing_weights_name_the_fetch_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(pictures.no_face())
    assert main(["detect", str(photo), "--weights", str(tmp_path / "none")]) == 1
    assert "python -m ml_engine fetch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["compare", "one.jpg"], ["fetch", "nothing"], ["detect"], ["other"]]
)
def test_wrong_arguments_print_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_fetch_takes_each_name_once_with_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[tuple[str, Path]] = []

    def fetch(name: str, folder: Path, *, progress: Callable[[str, float, float], None]) -> None:
        progress(name, 0.5, 1.0)
        fetched.append((name, folder))

    monkeypatch.setattr(command_line, "fetch", fetch)
    assert main(["fetch", "--weights", str(tmp_path)]) == 0
    names = (*command_line.FETCHED, *command_line.OPTIONAL)
    assert fetched == [(name, tmp_path) for name in names]
    bars = capsys.readouterr().err
    assert all(name in bars for name in command_line.FETCHED)
    fetched.clear()
    assert main(["fetch", "mtcnn", "--weights", str(tmp_path)]) == 0
    assert fetched == [("mtcnn", tmp_path)]


def test_a_failed_fetch_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(name: str, folder: Path, *, progress: object) -> None:
        raise WeightsUnavailable("mtcnn 1.0.0 could not be fetched: no network.")

    monkeypatch.setattr(command_line, "fetch", fetch)
    assert main(["fetch", "mtcnn", "--weights", str(tmp_path)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "error: mtcnn 1.0.0 could not be fetched: no network."


@pytest.mark.parametrize(
    ("lost", "names", "status"),
    [("yunet", [], 0), ("yunet", ["yunet"], 1), ("mtcnn", [], 1), ("mtcnn", ["yunet"], 0)],
)
def test_fetch_goes_on_after_a_failure_and_forgives_optional_weights(
    lost: str,
    names: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def fetch(name: str, folder: Path, *, progress: object) -> None:
        tried.append(name)
        if name == lost:
            raise WeightsUnavailable("no network")

    monkeypatch.setattr(command_line, "fetch", fetch)
    assert main(["fetch", *names, "--weights", str(tmp_path)]) == status
    assert tried == (names or [*command_line.FETCHED, *command_line.OPTIONAL])
