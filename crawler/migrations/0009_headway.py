from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crawler", "0008_item_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="crawltask",
            name="headway",
            field=models.JSONField(
                blank=True,
                help_text="What waits, and how fast it goes: see crawler.storing.headway.",
                null=True,
                verbose_name="headway",
            ),
        ),
    ]
