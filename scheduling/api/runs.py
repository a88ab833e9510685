"""`/api/schedule/runs`: what ran, what did not, and why."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crawlproject.web.filters import MomentFilter, NameFilter, StrictFilterSet
from crawlproject.web.requests import body_object, refuse_unknown, whole_number
from scheduling import definitions
from scheduling.models import JobRun, RunLog

from .errors import as_problems, refuse_empty
from .names import job_problem
from .serializers import JobRunSerializer

LOG_PIECES = 1_000


class RunFilter(StrictFilterSet):
    job_id = NameFilter(field_name="job_key", problem=job_problem)
    since = MomentFilter(field_name="scheduled_time", lookup_expr="gte")
    until = MomentFilter(field_name="scheduled_time", lookup_expr="lt")

    class Meta(StrictFilterSet.Meta):
        model = JobRun
        fields = ("state", "cause")

    def filter_queryset(self, queryset: QuerySet[JobRun]) -> QuerySet[JobRun]:
        since, until = self.form.cleaned_data["since"], self.form.cleaned_data["until"]
        if since is not None and until is not None:
            refuse_empty(since, until)
        found: QuerySet[JobRun] = super().filter_queryset(queryset)
        return found


class JobRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[JobRun]):
    """What ran, what did not and why; cancel a run, follow its log."""

    queryset = JobRun.objects.select_related("owner").order_by("-id")
    serializer_class = JobRunSerializer
    filterset_class = RunFilter
    lookup_value_regex = r"\d{1,18}"
    action_permissions = {"cancel": "scheduling.change_jobrun", "log": "scheduling.view_jobrun"}

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """A queued run ends at once, a running one as soon as its handler has let go; 409 if it has ended."""
        body_object(request, known=())
        run = self.get_object()
        with as_problems():
            definitions.cancel_run(run.pk, by=request.user.get_username())
        return Response(JobRunSerializer(self.get_object()).data, status=202)

    @action(detail=True, methods=["get"])
    def log(self, request: Request, pk: str) -> Response:
        """Pieces of the log in order; `?after=` gives those behind a number, for programs that follow it."""
        run = self.get_object()
        refuse_unknown(request.query_params, {"after"})
        after = whole_number(request, "after", default=0, minimum=0, maximum=2**31 - 1)
        pieces = RunLog.objects.filter(run=run, seq__gt=after).order_by("seq")[:LOG_PIECES]
        return Response(
            {
                "run": run.pk,
                "state": run.state,
                "pieces": [{"seq": piece.seq, "text": piece.text} for piece in pieces],
            }
        )
