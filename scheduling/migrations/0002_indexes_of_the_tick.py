from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """The tick's questions: which runs of a job wait, which gaps are still to be counted."""

    dependencies = [("scheduling", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(fields=["job", "id"], condition=Q(state="queued"), name="run_waiting"),
        ),
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                fields=["id"], condition=Q(state="missed", missed_count__isnull=True), name="run_uncounted"
            ),
        ),
        migrations.AddIndex(
            model_name="jobrun",
            index=models.Index(
                fields=["id"],
                condition=Q(coalesced_count=0, coalesced_from__isnull=False),
                name="run_uncounted_coalesced",
            ),
        ),
    ]
