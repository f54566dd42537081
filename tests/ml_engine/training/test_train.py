"""A network learns to tell people apart whom it never saw, and a run can be repeated."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from ml_engine.recipe import Augmentation, Loss, Optimiser, Schedule, Settings
from ml_engine.types import EngineError
from tests.ml_engine.training.invented import QUICK, TINY, invented_people

pytestmark = pytest.mark.tensorflow

_KNOWN, _OTHERS = invented_people(), invented_people(6, 6, seed=1)


def _weights(folder: Path) -> list[np.ndarray]:
    with np.load(folder / "checkpoint.npz") as file:
        return [file[name] for name in file.files if name != "position"]


def _python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a run that was not cut off, and what it gave."""
    from ml_engine.training.train import train

    folder = tmp_path_factory.mktemp("whole")
    return folder, train(QUICK, _KNOWN, _OTHERS, folder=folder)


def test_trained_network_tells_other_people_apart(whole: tuple[Path, Any]) -> None:
    from ml_engine.training.judging import judge
    from ml_engine.training.train import build_machine

    _, found = whole
    before = judge(build_machine(QUICK, people=2).network, _OTHERS)
    after = judge(found.network, _OTHERS)
    assert after.auc > before.auc + 0.02
    assert found.position.curve[-1].loss < found.position.curve[0].loss
    assert after.auc == pytest.approx(found.position.best_auc)


_KILLED = """
import os, signal, sys
from pathlib import Path
from ml_engine.training import train as page
from tests.ml_engine.training.invented import QUICK, invented_people

augmented, calls = page.augmented, []
def counted(*arguments):
    calls.append(0)
    if len(calls) == 14:  # the fourth step of the third epoch, two steps after a checkpoint
        os.kill(os.getpid(), signal.SIGKILL)
    return augmented(*arguments)
page.augmented = counted
page.train(QUICK, invented_people(), invented_people(6, 6, seed=1), folder=Path(sys.argv[1]))
"""


def test_run_killed_in_mid_epoch_ends_with_the_same_weights(
    whole: tuple[Path, Any], tmp_path: Path
) -> None:
    from ml_engine.training import checkpoint
    from ml_engine.training.train import CHECKPOINT, train

    assert _python(_KILLED, tmp_path).returncode == -signal.SIGKILL
    stored = checkpoint.restore(tmp_path / CHECKPOINT, [])
    assert stored is not None and stored[0].step == 12, "not in the middle of an epoch of five"
    found = train(QUICK, _KNOWN, _OTHERS, folder=tmp_path)
    folder, expected = whole
    assert found.position.curve == expected.position.curve
    for one, two in zip(_weights(tmp_path), _weights(folder), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


def test_finished_run_is_not_trained_again(whole: tuple[Path, Any]) -> None:
    from ml_engine.training.train import train

    folder, first = whole
    told: list[Any] = []
    second = train(QUICK, _KNOWN, _OTHERS, folder=folder, told=lambda *point: told.append(point))
    assert not told
    assert second.position == first.position


def test_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    from ml_engine.training.record import begin_record, record_of

    begin_record(tmp_path, record_of(QUICK, _KNOWN, _OTHERS))
    begin_record(tmp_path, record_of(QUICK, _KNOWN, _OTHERS))
    with pytest.raises(EngineError, match="other settings"):
        begin_record(tmp_path, record_of(replace(QUICK, seed=1), _KNOWN, _OTHERS))
    with pytest.raises(EngineError, match="other data"):
        begin_record(tmp_path, record_of(QUICK, _OTHERS, _KNOWN))


def test_run_leaves_a_record_from_which_it_can_be_repeated(whole: tuple[Path, Any]) -> None:
    folder, _ = whole
    record = json.loads((folder / "record.json").read_text())
    assert record["settings"]["seed"] == 0
    assert record["data"]["trained_on"] == _KNOWN.sha256()
    assert record["people"]["trained_on"] == _KNOWN.names
    assert len(record["code"]) == 64 and "keras" in record["versions"]


def test_run_leaves_a_curve_that_tensorboard_reads(whole: tuple[Path, Any]) -> None:
    import tensorflow as tf

    folder, found = whole
    lines = (folder / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20]
    (events,) = folder.glob("events.out.tfevents.*")
    seen = [event for event in tf.compat.v1.train.summary_iterator(str(events))]
    assert [event.step for event in seen] == [0, 10, 20]
    values = {value.tag: value.simple_value for value in seen[-1].summary.value}
    assert values["loss"] == pytest.approx(found.position.curve[-1].loss)


def test_run_leaves_a_file_that_serving_takes(whole: tuple[Path, Any], tmp_path: Path) -> None:
    from ml_engine.formats import Wish, convert_file
    from ml_engine.runtime.device import resolve_device
    from ml_engine.zoo import Preprocessing
    from ml_engine.zoo.own import own_embedder

    folder, found = whole
    assert found.file == folder / "model.keras"
    as_it_is = Wish(preprocessing=Preprocessing(mean=0, scale=1))
    made = convert_file(found.file, tmp_path, as_it_is)
    card = own_embedder("own", made.folder, tmp_path)
    assert card.source is not None
    pictures = _OTHERS.pictures[:5]
    served = card.source.network(card, tmp_path, resolve_device("cpu"))
    (given,) = served.run(np.repeat(pictures, 3, axis=3))
    wanted = found.network(pictures.astype(np.float32), training=False)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-3)


def test_early_stopping_keeps_the_best_weights() -> None:
    from ml_engine.training.judging import judge
    from ml_engine.training.train import train

    # Far too fast a rate: it is never as good again as at its best.
    settings = replace(QUICK, epochs=6, judge_every=1, patience=1, rate=0.5)
    found = train(settings, _KNOWN, _OTHERS)
    assert found.position.step < 6 * 5
    assert found.position.is_over
    assert judge(found.network, _OTHERS).auc == pytest.approx(found.position.best_auc)
    assert found.position.best_auc > found.position.curve[-1].auc


@pytest.mark.usefixtures("run_eagerly")
@pytest.mark.parametrize("name", get_args(Optimiser))
def test_optimiser_of_the_table_trains_at_its_own_rate(name: Optimiser) -> None:
    from ml_engine.training.optimisers import OPTIMISERS

    assert set(OPTIMISERS) == set(get_args(Optimiser))
    losses = _losses(replace(QUICK, optimiser=name))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.usefixtures("run_eagerly")
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_and_keeps_weights_in_full(precision: Any) -> None:
    losses = _losses(replace(QUICK, precision=precision))
    assert losses[-1] < 0.7 * losses[0]


def _losses(settings: Settings) -> list[float]:
    """Of twelve steps on one batch, the first and the last."""
    from ml_engine.training.train import build_machine

    design = replace(TINY, dropout=0.0)
    machine = build_machine(replace(settings, design=design), people=len(_KNOWN.names))
    rows = np.arange(0, 80, 5)
    rate = float(machine.optimiser.learning_rate)
    pixels = _KNOWN.pictures[rows].astype(np.float32)
    losses = [machine.step(pixels, _KNOWN.people[rows], rate) for _ in range(12)]
    assert {variable.dtype for variable in machine.network.trainable_variables} == {"float32"}
    return [losses[0], losses[-1]]


_TWO_DEVICES = """
import sys
from dataclasses import replace
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
from ml_engine.training.train import build_machine, values_of
from tests.ml_engine.training.invented import QUICK, invented_people

known = invented_people()
rows = np.arange(0, 80, 5)
pixels = known.pictures[rows].astype(np.float32)
# Batch normalisation and dropout see only their replica's part of a batch.
plain = replace(QUICK, design=replace(QUICK.design, batch_norm=False, dropout=0.0))
ends = []
for devices in ((), ("CPU:0", "CPU:1")):
    machine = build_machine(replace(plain, devices=devices), people=10)
    for _ in range(4):
        machine.step(pixels, known.people[rows], 1e-3)
    ends.append(values_of(machine.network.variables))
print(max(float(np.abs(one - two).max()) for one, two in zip(*ends)))
"""


def test_two_devices_train_as_one() -> None:
    done = _python(_TWO_DEVICES)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 1e-5


def test_batch_that_devices_cannot_divide_is_refused() -> None:
    from ml_engine.training.train import build_machine

    uneven = replace(QUICK, people=3, pictures=3, devices=("CPU:0", "CPU:1"))
    with pytest.raises(EngineError, match="9 cannot be divided between 2"):
        build_machine(uneven, people=3)


def test_tables_hold_every_name_of_the_settings() -> None:
    from ml_engine.training.augmentation import STRENGTHS
    from ml_engine.training.losses import CLASS_LOSSES
    from ml_engine.training.optimisers import SCHEDULES

    assert set(STRENGTHS) == set(get_args(Augmentation))
    assert set(SCHEDULES) == set(get_args(Schedule))
    assert {*CLASS_LOSSES, "centre", "arcface", "triplet"} == set(get_args(Loss))


@pytest.mark.parametrize("name", get_args(Schedule))
def test_schedule_begins_at_the_full_rate_and_never_rises(name: Schedule) -> None:
    from ml_engine.training.optimisers import SCHEDULES

    factors = [SCHEDULES[name](done) for done in np.linspace(0, 1, 50)]
    assert factors[0] == pytest.approx(1)
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors))
    assert factors[-1] > 0


def test_run_that_is_told_to_end_keeps_its_best_weights(tmp_path: Path) -> None:
    from ml_engine.training.judging import judge
    from ml_engine.training.train import train

    found = train(
        QUICK, _KNOWN, _OTHERS, folder=tmp_path, ends=lambda position, steps: position.step == 7
    )
    assert [point.step for point in found.position.curve] == [7]
    assert judge(found.network, _OTHERS).auc == pytest.approx(found.position.best_auc)
    assert (tmp_path / "model.keras").exists()
    again = train(QUICK, _KNOWN, _OTHERS, folder=tmp_path)
    assert again.position == found.position, "it has ended"
