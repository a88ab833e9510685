"""The admin of schedules and runs. django-apscheduler's own pages would edit derived rows: they are taken away."""

from __future__ import annotations

from django.contrib import admin
from django_apscheduler import admin as its_admin  # noqa: F401  # registers its pages, which are taken away below
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from .jobs import ScheduledJobAdmin
from .processes import ProcessAdmin
from .runs import JobRunAdmin
from .versions import DefinitionVersionAdmin

for model in (DjangoJob, DjangoJobExecution):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

__all__ = ["DefinitionVersionAdmin", "JobRunAdmin", "ProcessAdmin", "ScheduledJobAdmin"]
