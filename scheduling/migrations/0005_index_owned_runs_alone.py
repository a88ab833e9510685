from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scheduling", "0004_moments_of_removed_jobs"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(condition=models.Q(("owner__isnull", False)), fields=["owner"], name="run_of_process"),
        ),
        migrations.AlterField(
            model_name="jobrun",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="runs",
                to="scheduling.process",
                verbose_name="process",
            ),
        ),
    ]
