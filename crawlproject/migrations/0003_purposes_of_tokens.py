from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crawlproject", "0002_accounts_for_superusers"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations = [
        migrations.CreateModel(
            name="TokenPurpose",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="described",
                        serialize=False,
                        to="knox.authtoken",
                    ),
                ),
                ("text", models.CharField(max_length=100, verbose_name="purpose")),
            ],
            options={"default_permissions": ()},
        ),
    ]
