from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crawler", "0007_sum_up_items"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="item",
            options={
                "ordering": ["id"],
                "permissions": [("export_item", "Can export items")],
                "verbose_name": "item",
                "verbose_name_plural": "items",
            },
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(fields=["spider", "type", "id"], name="item_type"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(fields=["changed_at"], name="item_recent"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(("gone_at__isnull", False)), fields=["gone_at"], name="item_gone"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("gone_at__isnull", False)), fields=["spider", "id"], name="item_spider_gone"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("complete", False), ("gone_at__isnull", True)),
                fields=["spider", "id"],
                name="item_incomplete",
            ),
        ),
    ]
