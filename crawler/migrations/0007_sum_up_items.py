"""Sum up what the rows that are there say of the items now, and of the last days."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from django.db import migrations

DAYS = 15
"""How far back hours are summed up: as far as pages look."""

_STOCK = """
INSERT INTO crawler_itemstock (spider_id, present)
SELECT spider_id, count(*) FROM crawler_item WHERE gone_at IS NULL GROUP BY spider_id
"""
_HAPPENED = {
    "added": "SELECT spider_id, {minute}, count(*) FROM crawler_item WHERE first_seen_at >= %s GROUP BY 1, 2",
    "changed": "SELECT i.spider_id, {minute}, count(*) FROM crawler_itemversion v "
    "JOIN crawler_item i ON i.id = v.item_id WHERE v.valid_to >= %s GROUP BY 1, 2",
    "gone": "SELECT spider_id, {minute}, count(*) FROM crawler_item WHERE gone_at >= %s GROUP BY 1, 2",
}
_AT = {"added": "first_seen_at", "changed": "v.valid_to", "gone": "gone_at"}
_MINUTE = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM date_trunc('minute', {at})) AS bigint)",
    "sqlite": "CAST(strftime('%%s', substr({at}, 1, 16)) AS integer)",
}


def sum_up(apps, schema_editor):
    """One look at all items; what came back meanwhile is not known, and told as never gone."""
    from scheduling.hours import hour_of

    connection = schema_editor.connection
    since = connection.ops.adapt_datetimefield_value(datetime.now(UTC) - timedelta(days=DAYS))
    hours = defaultdict(lambda: defaultdict(int))
    with connection.cursor() as cursor:
        cursor.execute(_STOCK)
        for name, question in _HAPPENED.items():
            minute = _MINUTE[connection.vendor].format(at=_AT[name])
            cursor.execute(question.format(minute=minute), [since])
            for spider, at, count in cursor.fetchall():
                hours[spider, hour_of(datetime.fromtimestamp(at, UTC))][name] += count
    hour = apps.get_model("crawler", "ItemHour")
    hour.objects.bulk_create(
        [hour(spider_id=spider, start_at=start, **counts) for (spider, start), counts in hours.items()], batch_size=500
    )


class Migration(migrations.Migration):
    dependencies = [
        ("crawler", "0006_item_hours"),
    ]

    operations = [
        migrations.RunPython(sum_up, migrations.RunPython.noop),
    ]
