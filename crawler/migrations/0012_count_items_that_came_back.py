from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds a count that the database fills in itself: a process of an old release goes on making tasks."""

    dependencies = [
        ("crawler", "0011_items_that_came_back"),
    ]

    operations = [
        migrations.AddField(
            model_name="crawltask",
            name="items_returned",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="items that came back"),
        ),
    ]
