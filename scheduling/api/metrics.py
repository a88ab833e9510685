"""`/api/schedule/metrics`: what `/metrics` tells Prometheus, as JSON."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from scheduling.metrics import collect


class MetricsView(APIView):
    """Success and error rates, queue, lateness and what the live processes use."""

    action_permissions = {"get": "scheduling.view_process", "head": "scheduling.view_process"}

    def get(self, request: Request) -> Response:
        return Response(collect().as_json())
