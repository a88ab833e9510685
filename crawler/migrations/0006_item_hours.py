import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crawler', '0005_pinned_pages'),
        ('scheduling', '0006_run_hours'),
    ]

    operations = [
        migrations.CreateModel(
            name='ItemHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('start_at', models.DateTimeField(verbose_name='from')),
                ('added', models.PositiveIntegerField(default=0, verbose_name='new items')),
                ('changed', models.PositiveIntegerField(default=0, verbose_name='changed items')),
                ('gone', models.PositiveIntegerField(default=0, verbose_name='gone items')),
                ('returned', models.PositiveIntegerField(default=0, verbose_name='items that came back')),
            ],
            options={
                'verbose_name': 'hour of items',
                'verbose_name_plural': 'hours of items',
                'ordering': ['-start_at', 'spider'],
            },
        ),
        migrations.CreateModel(
            name='ItemStock',
            fields=[
                ('spider', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='stock', serialize=False, to='crawler.spider', verbose_name='spider')),
                ('present', models.BigIntegerField(default=0, verbose_name='items')),
            ],
            options={
                'verbose_name': 'stock of items',
                'verbose_name_plural': 'stocks of items',
            },
        ),
        migrations.AddIndex(
            model_name='crawltask',
            index=models.Index(models.F('spider'), models.OrderBy(models.F('id'), descending=True), name='task_of_spider'),
        ),
        migrations.AddField(
            model_name='itemhour',
            name='spider',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crawler.spider', verbose_name='spider'),
        ),
        migrations.AddConstraint(
            model_name='itemhour',
            constraint=models.UniqueConstraint(fields=('start_at', 'spider'), name='itemhour_once'),
        ),
    ]
