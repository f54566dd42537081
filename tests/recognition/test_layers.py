"""Relations between models point down, like imports. import-linter does not see `"app.Model"`."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command

# From the lowest to the highest layer; jobs and notices are in the same layer.
LEVELS = {
    "accounts": 0,
    "web": 1,
    "jobs": 2,
    "notices": 2,
    "people": 3,
    "bulk": 4,
    "cameras": 4,
    "training": 5,
    "events": 6,
}


def test_model_relations_point_to_lower_layers() -> None:
    upward = []
    for label, level in LEVELS.items():
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.get_fields():
                target = field.related_model if field.concrete else None
                if target is None or isinstance(target, str):
                    continue
                app = target._meta.app_label
                if app != label and app in LEVELS and LEVELS[app] >= level:
                    upward.append(f"{model._meta.label}.{field.name} -> {target._meta.label}")
    assert upward == []


def test_live_app_has_no_models() -> None:
    assert list(apps.get_app_config("live").get_models()) == []


@pytest.mark.django_db
def test_migrations_are_in_step_with_the_models() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
