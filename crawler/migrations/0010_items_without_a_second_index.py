from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Takes away the index of spiders alone, which three others begin with.

    By its name, which is the same everywhere: SQLite would copy the whole table to alter the field.
    """

    dependencies = [
        ("crawler", "0009_headway"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX IF EXISTS crawler_item_spider_id_67c436ef",
                    "CREATE INDEX crawler_item_spider_id_67c436ef ON crawler_item (spider_id)",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="item",
                    name="spider",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="crawler.spider",
                        verbose_name="spider",
                    ),
                )
            ],
        ),
    ]
