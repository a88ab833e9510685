from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crawler', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='page',
            name='shared',
            field=models.BinaryField(
                blank=True,
                null=True,
                help_text='Hashes of keys that it gave and other pages own, packed.',
                verbose_name='shared keys',
            ),
        ),
    ]
