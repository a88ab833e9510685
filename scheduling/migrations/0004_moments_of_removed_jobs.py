from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('scheduling', '0003_version_removal'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='jobrun',
            index=models.Index(condition=models.Q(('job__isnull', True)), fields=['job_key', 'scheduled_time'], name='run_key_moments'),
        ),
    ]
