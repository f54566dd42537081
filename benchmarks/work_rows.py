"""Rows of what a site does: imports with the outcome of each photo, exports, recordings, training
runs, minutes of a camera, and the change of a collection's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

_OUTCOMES = (*(("enrolled", "accepted"),) * 8, ("refused", "low_quality"), ("refused", "no_face"))
_MINUTES = 24 * 60


def work_rows(
    collection: Any, people: Sequence[Any], cameras: Sequence[Any], few: int, others: int
) -> Iterator[list[Any]]:
    """Lists of rows to insert, in this order. others: of each kind. The last `few` imports have
    all photos of these people."""
    from recognition.bulk.models import Export, ImportRun
    from recognition.events.models import Recording

    said = {"collection": collection, "created_by": "user:a"}
    imports = [ImportRun(name=f"Import {n}", state="over", **said) for n in range(others)]
    yield imports
    yield _items(imports[-few:], people)
    yield [Export(is_complete=n % 2 > 0, **said) for n in range(others)]
    yield [
        Recording(name=f"Video {n}", recorded_at=_ago(days=n), camera=cameras[0], state="over",
                  **said)
        for n in range(others)
    ]  # fmt: skip
    yield _training_runs(said, others)
    yield _minutes(cameras[0])


def change_model(collection: Any, images: Sequence[Any], losses: int) -> None:
    """Begin a change of the collection's model, with some images lost."""
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import ModelChange, ModelChangeLoss

    collection.candidate = ensure_model_version("dlib_resnet")
    collection.save(update_fields=["candidate"])
    change = ModelChange.objects.create(
        collection=collection, source=collection.embedder, target=collection.candidate,
        images_total=len(images), created_by="user:a", changed_at=_ago(days=0),
    )  # fmt: skip
    lost = images[:losses]
    ModelChangeLoss.objects.bulk_create(
        ModelChangeLoss(change=change, image=image, reason=ModelChangeLoss.NO_FACE)
        for image in lost
    )


def _items(imports: Sequence[Any], people: Sequence[Any]) -> list[Any]:
    from recognition.bulk.models import ImportItem

    each = -(-len(people) // len(imports))
    rows = []
    for n, person in enumerate(people):
        state, code = _OUTCOMES[n % len(_OUTCOMES)]
        rows.append(
            ImportItem(run=imports[n // each], number=n % each, path=f"{person.name}/{n}.jpg",
                       person_key=f"{n}", state=state, code=code, person=person)
        )  # fmt: skip
    return rows


def _training_runs(said: dict[str, Any], count: int) -> list[Any]:
    from recognition.training.models import TrainingRun

    return [
        TrainingRun(name=f"Run {n}", task="train", settings={}, state="done", **said)
        for n in range(count)
    ]


def _minutes(camera: Any) -> list[Any]:
    """A day of them."""
    from recognition.cameras.models import CameraMinute

    timing = {"detect": {"p50": 20.0, "p95": 40.0}}
    return [
        CameraMinute(camera=camera, at=_ago(minutes=n), frames=300, fps=5, dropped=0,
                     timing_ms=timing)
        for n in range(_MINUTES)
    ]  # fmt: skip


def _ago(**how_long: int) -> Any:
    from django.utils import timezone

    return timezone.now() - timedelta(**how_long)
