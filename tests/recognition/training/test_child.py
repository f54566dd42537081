"""The child that really trains: through kills of its worker, and on a preset."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from recognition.engine import use_engine
from recognition.jobs.models import Job
from recognition.people.models import Collection, TrainedPerson
from recognition.training.models import TrainingRun
from recognition.training.services.runs import training_run_start
from tests.factories import ACTOR, enrol, make_camera, make_collection, make_event, make_person
from tests.fakes import FakeEngine
from tests.recognition.bulk.conftest import start_worker  # noqa: F401
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.jobs.workers import StartWorker, has_ended, wait_for

# Two steps in an epoch of a tiny network.
OPTIONS: dict[str, Any] = {
    "network": "cnn",
    "size": 16,
    "width": 0.125,
    "dimension": 16,
    "kernel": 3,
    "stride": 1,
    "epochs": 100,
    "patience": 0,
    "people": 4,
    "pictures": 2,
    "judge_every": 1,
    "save_every": 2,
    "others": 3,
    "augmentation": "weak",
    "loss": "softmax",
}
pytestmark = pytest.mark.tensorflow


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("MariaDB")
@pytest.mark.timeout(500)
def test_training_whose_worker_is_killed_goes_on_from_its_checkpoint(
    collection: Collection,
    weights: Path,
    start_worker: StartWorker,  # noqa: F811
) -> None:
    run = training_run_start(
        task="train", name="ours", collection=collection, actor=ACTOR, options=OPTIONS
    )
    first = start_worker(
        KILL_AT="recognition.training.services.running._store:after:2", WEIGHTS_DIR=str(weights)
    )
    first.wait()
    (folder,) = (weights / "training" / str(run.pk)).iterdir()
    with (folder / "lock").open("w") as lock:
        # Its child does not outlive it.
        wait_for(lambda: _is_free(lock))
    assert (folder / "checkpoint.npz").exists()
    run.refresh_from_db()
    assert 0 < run.step < 200
    before = run.curve

    start_worker(WEIGHTS_DIR=str(weights))
    assert run.job is not None
    wait_for(lambda: has_ended(run.job), 300)  # type: ignore[arg-type]
    run = TrainingRun.objects.select_related("job", "model").get(pk=run.pk)
    assert run.job is not None and run.job.state == Job.State.DONE, run.job and run.job.log
    assert run.job.attempts == 2
    assert [point["step"] for point in run.curve] == list(range(2, 201, 2))
    assert run.curve[: len(before)] == before
    assert run.model is not None
    assert (run.model.dimension, run.model.state) == (16, "added")
    assert run.model.report["card"]["size"] == 16
    assert TrainedPerson.objects.filter(model=run.model).count() == 8
    assert len(run.record["code"]) == 64
    assert "people" not in run.record
    assert not (weights / "training" / str(run.pk)).exists()


def _is_free(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


# Not within a transaction: it takes so long that leases are renewed meanwhile.
@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("SQLite")
@pytest.mark.weights
@pytest.mark.timeout(500)
def test_preset_is_adapted_to_a_camera(weights: Path, weights_dir: Path) -> None:
    use_engine(FakeEngine())
    for path in weights_dir.glob("mobilefacenet*"):
        (weights / path.name).symlink_to(path.resolve())
    collection = make_collection()
    for number in range(8):
        enrol(make_person(collection, consent="given"), number, number)
    camera = make_camera(collection)
    for number in range(20):
        make_event(collection, camera=camera, number=number)
    options = {"others": 2, "epochs": 1, "batch": 8}
    run = training_run_start(
        task="adapt", name="ours", collection=collection, camera=camera, actor=ACTOR,
        options=options,
    )  # fmt: skip
    run_jobs()
    run.refresh_from_db()
    assert run.job is not None
    assert run.state == "done", run.job.log
    assert run.model is not None and run.model.dimension == 192
    names = [row["name"] for row in run.figures["compared"]]
    assert names == ["unchanged", "mean_shift", "ridge", "adapted"]
    assert run.figures["tested"] == {"people": 2, "pictures": 4}
    for row in run.figures["compared"]:
        assert 0 <= row["camera"]["auc"] <= 1
        # One person's two photos differ by little here: only a broken network takes them apart.
        assert row["clean"]["auc"] > 0.9
    assert [point["step"] for point in run.curve] == [run.step]
