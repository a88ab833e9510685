from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scheduling", "0008_index_unwell_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="schedulerstate",
            name="note",
            field=models.CharField(blank=True, db_default="", default="", max_length=200, verbose_name="note"),
        ),
    ]
