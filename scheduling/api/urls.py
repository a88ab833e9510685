"""Addresses under `/api/schedule/`."""

from __future__ import annotations

from django.urls import re_path

from crawlproject.web.routers import OptionalSlashRouter

from .jobs import ScheduledJobViewSet
from .metrics import MetricsView
from .runs import JobRunViewSet
from .status import PauseAllView, ResumeAllView, StatusView
from .upcoming import UpcomingView

router = OptionalSlashRouter()
router.register("jobs", ScheduledJobViewSet, basename="schedule-job")
router.register("runs", JobRunViewSet, basename="schedule-run")

urlpatterns = [
    *router.urls,
    re_path(r"^status/?$", StatusView.as_view(), name="schedule-status"),
    re_path(r"^metrics/?$", MetricsView.as_view(), name="schedule-metrics"),
    re_path(r"^upcoming/?$", UpcomingView.as_view(), name="schedule-upcoming"),
    re_path(r"^pause/?$", PauseAllView.as_view(), name="schedule-pause"),
    re_path(r"^resume/?$", ResumeAllView.as_view(), name="schedule-resume"),
]
