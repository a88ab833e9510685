"""Viewer, Operator and Editor no longer see accounts and groups: names and addresses of people are not their matter.

Whoever gives it back to one of them later has the last word.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUPS = ("Viewer", "Operator", "Editor")
CODENAMES = ("view_user", "view_group")


def hide_accounts(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permission = apps.get_model("auth", "Permission")
    rights = permission.objects.filter(content_type__app_label="auth", codename__in=CODENAMES)
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.remove(*rights)


class Migration(migrations.Migration):
    dependencies = [("crawlproject", "0001_groups")]

    operations = [migrations.RunPython(hide_accounts, migrations.RunPython.noop)]
