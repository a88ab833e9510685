from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds a column that may be empty: nothing is known of what ended before."""

    dependencies = [
        ("crawler", "0013_when_items_were_gone_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="crawltask",
            name="falls_short",
            field=models.BooleanField(blank=True, null=True, verbose_name="incomplete"),
        ),
    ]
