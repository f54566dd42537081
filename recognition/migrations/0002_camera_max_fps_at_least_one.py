from typing import Any

import django.core.validators
from django.db import migrations, models


def raise_slow_ones(apps: Any, schema_editor: Any) -> None:
    apps.get_model("recognition", "Camera").objects.filter(max_fps__lt=1).update(max_fps=1)


class Migration(migrations.Migration):
    dependencies = [
        ("recognition", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="camera",
            name="max_fps",
            field=models.FloatField(
                default=15,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(60),
                ],
            ),
        ),
        migrations.RunPython(raise_slow_ones, migrations.RunPython.noop, elidable=True),
    ]
