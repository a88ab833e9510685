from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds a column that may be empty: a process of an old release goes on writing items, and leaves it as it is."""

    dependencies = [
        ("crawler", "0012_count_items_that_came_back"),
    ]

    operations = [
        migrations.AddField(
            model_name="item",
            name="went_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="gone"),
        ),
    ]
