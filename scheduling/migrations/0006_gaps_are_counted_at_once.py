from django.db import migrations, models


class Migration(migrations.Migration):
    """Nothing is left to be counted later, so nobody looks for it."""

    dependencies = [("scheduling", "0005_documents_keep_their_order")]

    operations = [
        migrations.RemoveIndex(model_name="jobrun", name="run_uncounted"),
        migrations.RemoveIndex(model_name="jobrun", name="run_uncounted_coalesced"),
        migrations.AlterField(
            model_name="jobrun",
            name="missed_count",
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name="missed firings"),
        ),
    ]
