"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from . import firstrun, health, metrics
from .web.problems import unknown_address

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/crawl/", include("crawler.api.urls")),
    path("api/schedule/", include("scheduling.api.urls")),
    path("api/", unknown_address),
    path("api/<path:path>", unknown_address),
    path("i18n/", include("django.conf.urls.i18n")),
    path("setup/<str:token>/", firstrun.setup_view, name="setup"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
]
handler500 = "crawlproject.web.problems.server_error"
