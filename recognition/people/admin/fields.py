"""Form fields that show stored values in readable form."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from ml_engine.zoo import presets_of
from recognition.people.model_versions import embedder_named
from recognition.people.models import ModelVersion
from recognition.people.models.person import validate_labels


class LabelsField(forms.CharField):
    """A list of texts, separated by commas."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        parts = [part.strip() for part in (super().to_python(value) or "").split(",")]
        return [part for part in parts if part]

    def validate(self, value: Any) -> None:
        validate_labels(value)

    def run_validators(self, value: Any) -> None:
        """Skip the validators of a text: the value is a list."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class EmbedderField(forms.TypedChoiceField):
    """A choice of embedders. The value is the row of the embedder."""

    widget = UnfoldAdminSelectWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=_embedders, coerce=embedder_named, **options)


def _embedders() -> list[tuple[str, str]]:
    """Presets, then the site's own model files."""
    files = ModelVersion.objects.filter(source=ModelVersion.Source.FILE)
    names = [preset.name for preset in presets_of("embedder")] + [row.version for row in files]
    return [(name, name) for name in names]
