import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """`run_timeline` begins with the job: the foreign key's own index only slowed every new run down."""

    dependencies = [("scheduling", "0003_returned_runs_may_wait")]

    operations = [
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
    ]
