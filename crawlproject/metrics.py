"""`/metrics`: for Prometheus. A reader needs a token (or a session) with one permission, unless a setting opens it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from crawlproject.web.permissions import ModelPermissions
from scheduling.exposition import exposition


class MetricsPermission(ModelPermissions):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(settings.METRICS_PUBLIC) or super().has_permission(request, view)


class MetricsView(APIView):
    """No host, no job and no address is named: only numbers, by window, state and process number."""

    permission_classes = [MetricsPermission]
    action_permissions = {"get": "scheduling.view_process", "head": "scheduling.view_process"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """There is one format; a scraper's preferences are answered with it, errors with a problem document."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
