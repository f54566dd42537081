from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import curve_of
from ml_engine.zoo import preset
from recognition.people.index import gallery_of
from recognition.people.model_versions import curve_in_use, curve_put, ensure_model_version
from recognition.people.models import Collection, ModelVersion, curves
from recognition.people.rules import rules_of
from recognition.web.errors import ServiceError

pytestmark = pytest.mark.django_db

MTCNN = preset("mtcnn").version


@pytest.mark.parametrize("name", ["mobilefacenet", "dlib_resnet"])
def test_an_embedder_has_one_row_with_its_curve(name: str) -> None:
    version = ensure_model_version(name)
    card = preset(name)
    assert (version.role, version.sha256) == ("embedder", card.sha256)
    assert version.dimension == card.dimension
    assert version.impostor_curves[MTCNN] == curve_of(name, "mtcnn").to_dict()
    assert ensure_model_version(name) == version
    assert ModelVersion.objects.count() == 1


def test_model_version_row_follows_the_preset(django_assert_num_queries: Any) -> None:
    version = ensure_model_version("mobilefacenet")
    ModelVersion.objects.update(impostor_curves={}, figures={"old": 1})
    again = ensure_model_version("mobilefacenet")
    again.refresh_from_db()
    assert again == version
    assert again.impostor_curves[MTCNN] == curve_of("mobilefacenet", "mtcnn").to_dict()
    with django_assert_num_queries(1):
        ensure_model_version("mobilefacenet")


def test_curve_of_a_model_stays_if_the_preset_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ensure_model_version("mobilefacenet").impostor_curves

    def none(embedder: str, detector: str) -> None:
        raise KeyError(embedder)

    monkeypatch.setattr("recognition.people.model_versions.curve_of", none)
    assert ensure_model_version("mobilefacenet").impostor_curves == before


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(KeyError):
        ensure_model_version("nobody")


def test_curve_of_another_detector_does_not_count(settings: Any, collection: Collection) -> None:
    """A threshold of one detector must not be used with another one."""
    assert rules_of(collection, gallery_of(collection)).source == "gallery_size"
    settings.ENGINE = settings.ENGINE | {"detector": "yunet"}
    version = ensure_model_version("mobilefacenet")
    has_pair = preset("yunet").version in version.impostor_curves
    if has_pair:
        assert curve_in_use(version) != ImpostorCurve.from_dict(version.impostor_curves[MTCNN])
    else:
        with pytest.raises(ServiceError, match="not calibrated") as refused:
            rules_of(collection, gallery_of(collection))
        assert (refused.value.code, refused.value.status) == ("no_threshold", 409)
    assert MTCNN in version.impostor_curves, "the other pair's curve is kept"


def test_curve_is_parsed_once_for_all_requests(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = collection.embedder
    curve_put(version, replace(_curve(version), source="of this test"))
    version.save()
    parsed: list[str] = []

    def loads(text: str) -> Any:
        parsed.append("text")
        return json.loads(text)

    def from_dict(values: Any) -> ImpostorCurve:
        parsed.append("curve")
        return read(values)

    read = ImpostorCurve.from_dict
    monkeypatch.setattr(ImpostorCurve, "from_dict", from_dict)
    monkeypatch.setattr(curves, "json", SimpleNamespace(loads=loads))
    found = [_curve(ModelVersion.objects.get(pk=version.pk)) for _ in range(3)]
    assert [each.source for each in found] == ["of this test"] * 3
    assert sorted(parsed) == ["curve", "text"]


def test_curve_that_was_stored_anew_is_in_force_at_once(collection: Collection) -> None:
    version = collection.embedder
    for source in ("one", "two", "one"):
        curve_put(version, replace(_curve(version), source=source))
        version.save()
        assert _curve(ModelVersion.objects.get(pk=version.pk)).source == source


def _curve(version: ModelVersion) -> ImpostorCurve:
    curve = curve_in_use(version)
    assert curve is not None
    return curve
