from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("scheduling", "0006_run_hours"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="scheduledjob",
            options={
                "ordering": ["job_id"],
                "permissions": [("operate_scheduledjob", "Can run, pause, resume and back-fill schedules")],
                "verbose_name": "schedule",
                "verbose_name_plural": "schedules",
            },
        ),
    ]
