from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds a column that may be empty: nothing is known of what ended before."""

    dependencies = [
        ("scheduling", "0009_note_on_pausing_everything"),
    ]

    operations = [
        migrations.AddField(
            model_name="jobrun",
            name="falls_short",
            field=models.BooleanField(blank=True, null=True, verbose_name="incomplete"),
        ),
    ]
