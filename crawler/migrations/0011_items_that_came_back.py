from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds a column that may be empty: a process of an old release goes on writing items, and leaves it as it is."""

    dependencies = [
        ("crawler", "0010_items_without_a_second_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="item",
            name="returned_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="came back"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("returned_at__isnull", False)), fields=["returned_at"], name="item_returned"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("returned_at__isnull", False)),
                fields=["spider", "returned_at"],
                name="item_spider_returned",
            ),
        ),
    ]
