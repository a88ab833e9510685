"""The groups Viewer, Operator and Editor, made once: whoever changes or deletes them later has the last word.

docs/roles.md says what each may do. A model that comes later is given to them by a migration of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Model

APPS = ("auth", "scheduling", "crawler")
UNSEEN = frozenset({"auth.permission", "crawler.secret"})
"""Secrets are for those who set them; tokens, of an app that is not named here, for those who have them."""
OPERATE = (
    "scheduling.operate_scheduledjob",
    "scheduling.change_schedulerstate",
    "scheduling.change_jobrun",
    "crawler.add_crawltask",
    "crawler.change_crawltask",
    "crawler.export_item",
)
EDITED = ("crawler.spider", "crawler.secret", "scheduling.scheduledjob")


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Leaves a group alone that is there already under one of these names."""
    _make_permissions(apps)
    seen = [
        f"{app}.view_{model._meta.model_name}"
        for app in APPS
        for model in apps.get_app_config(app).get_models()
        if model._meta.label_lower not in UNSEEN and "view" in model._meta.default_permissions
    ]
    operated = [*seen, *OPERATE]
    edited = [_codename(model, verb) for model in EDITED for verb in ("view", "add", "change", "delete")]
    group = apps.get_model("auth", "Group")
    for name, permissions in (("Viewer", seen), ("Operator", operated), ("Editor", [*operated, *edited])):
        made, is_new = group.objects.get_or_create(name=name)
        if is_new:
            made.permissions.set(_permissions(apps, permissions))


def keep_operating(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Whoever might change schedules could also run and pause them: that is a right of its own now, which they keep."""
    [change] = _permissions(apps, ["scheduling.change_scheduledjob"])
    [operate] = _permissions(apps, ["scheduling.operate_scheduledjob"])
    for group in apps.get_model("auth", "Group").objects.filter(permissions=change):
        group.permissions.add(operate)
    for user in apps.get_model("auth", "User").objects.filter(user_permissions=change):
        user.user_permissions.add(operate)


def _make_permissions(apps: Apps) -> None:
    """Django makes them after all migrations, which is too late for this one."""
    for app in APPS:
        config = apps.get_app_config(app)
        # A migration's apps are stubs that do not say it, and would be taken for some without models.
        module = getattr(config, "models_module", None)
        config.models_module = module or True
        create_permissions(config, verbosity=0, apps=apps)
        config.models_module = module


def _codename(label: str, verb: str) -> str:
    app, _dot, model = label.partition(".")
    return f"{app}.{verb}_{model}"


def _permissions(apps: Apps, names: Iterable[str]) -> Sequence[Model]:
    wanted = set(names)
    rows = apps.get_model("auth", "Permission").objects.select_related("content_type")
    found = [row for row in rows if f"{row.content_type.app_label}.{row.codename}" in wanted]
    if len(found) < len(wanted):
        raise LookupError(f"{len(wanted) - len(found)} permissions of {sorted(wanted)} are not there.")
    return found


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("scheduling", "0007_operate_permission"),
        ("crawler", "0008_item_lists"),
    ]

    operations = [
        migrations.RunPython(make_groups, migrations.RunPython.noop),
        migrations.RunPython(keep_operating, migrations.RunPython.noop),
    ]
