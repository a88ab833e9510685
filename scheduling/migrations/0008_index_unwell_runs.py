from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scheduling", "0007_operate_permission"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                fields=["state", "-id"],
                condition=models.Q(("state__in", ("failed", "cancelled", "missed", "skipped"))),
                name="run_unwell",
            ),
        ),
    ]
