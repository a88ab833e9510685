from django.db import migrations, models


class Migration(migrations.Migration):
    """A run-now that was handed back or recovered waits beside the next one: only one that never began is counted."""

    dependencies = [("scheduling", "0002_indexes_of_the_tick")]

    operations = [
        migrations.RemoveConstraint(model_name="jobrun", name="run_one_run_now"),
        migrations.AddConstraint(
            model_name="jobrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cause", "manual"), ("claim", 0), ("state", "queued")),
                fields=("job",),
                name="run_one_run_now",
            ),
        ),
        migrations.AlterField(
            model_name="process",
            name="pid_created",
            field=models.FloatField(verbose_name="created (seconds since the boot)"),
        ),
    ]
