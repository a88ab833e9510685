import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """`run_timeline` begins with the job: the foreign key's own index only slowed every new run down.

    The constraint is taken off meanwhile: Django, looking for the column's index, drops every index on that column
    alone from a PostgreSQL database, and a unique constraint with a condition is such an index.
    """

    dependencies = [("scheduling", "0003_returned_runs_may_wait")]

    operations = [
        migrations.RemoveConstraint(model_name="jobrun", name="run_one_run_now"),
        migrations.AlterField(
            model_name="jobrun",
            name="job",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="runs",
                to="scheduling.scheduledjob",
                verbose_name="schedule",
            ),
        ),
        migrations.AddConstraint(
            model_name="jobrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cause", "manual"), ("claim", 0), ("state", "queued")),
                fields=("job",),
                name="run_one_run_now",
            ),
        ),
    ]
