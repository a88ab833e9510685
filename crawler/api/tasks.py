"""`/api/crawl/tasks`: follow a crawl, look at its pages, ask why something is missing, cancel it."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.utils.translation import gettext as _
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from crawler.account import politeness
from crawler.account.explaining import explain
from crawler.addresses import find_pages
from crawler.engine.records import PageState
from crawler.models import CrawlTask, Page
from crawler.tasks import TaskEnded, TaskNotFound, cancel_task, describe_task, with_progress
from crawlproject.web.filters import NameFilter, StrictFilterSet
from crawlproject.web.pagination import BoundedPagination
from crawlproject.web.problems import Conflict, FieldErrors
from crawlproject.web.requests import body_object, refuse_unknown

from .names import spider_problem, task_problem


class PageSerializer(serializers.ModelSerializer[Page]):
    class Meta:
        model = Page
        fields: ClassVar[list[str]] = [
            "url", "state", "status_code", "reason", "depth", "hops", "attempts", "redirected_to", "checked_at",
            "changed_at",
        ]  # fmt: skip


class TaskFilter(StrictFilterSet):
    spider = NameFilter(field_name="spider__name", problem=spider_problem)
    type = django_filters.ChoiceFilter(field_name="task_type", choices=CrawlTask.Type.choices)
    parent = NameFilter(field_name="parent__task_id", problem=task_problem)

    class Meta(StrictFilterSet.Meta):
        model = CrawlTask
        fields = ("status",)


class CrawlTaskViewSet(viewsets.GenericViewSet[CrawlTask]):
    """Follow a crawl, look at its pages, ask why something is missing, cancel it."""

    queryset = CrawlTask.objects.select_related("run", "spider", "parent").order_by("-id")
    filterset_class = TaskFilter
    lookup_field = "task_id"
    lookup_value_regex = "[^/]+"
    action_permissions = {"cancel": "crawler.change_crawltask", "pages": "crawler.view_page"}

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(with_progress(self.filter_queryset(self.get_queryset())))
        return self.get_paginated_response([describe_task(task) for task in page or []])

    def retrieve(self, request: Request, task_id: str) -> Response:
        return Response(describe_task(self.get_object()))

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, task_id: str) -> Response:
        """A waiting crawl ends at once, a running one as soon as it has stored what it holds; 409 if it has ended."""
        body_object(request, known=())
        try:
            task = cancel_task(task_id, by=request.user.get_username())
        except TaskNotFound as error:
            raise NotFound(str(error)) from error
        except TaskEnded as error:
            raise Conflict(str(error)) from error
        return Response(describe_task(task), status=202)

    @action(detail=True, methods=["get"])
    def causes(self, request: Request, task_id: str) -> Response:
        """How the crawl ended in one sentence, and each cause of what is missing: its count, examples, what to do."""
        refuse_unknown(request.query_params, set())
        return Response(explain(self.get_object()).to_json())

    @action(detail=True, methods=["get"])
    def politeness(self, request: Request, task_id: str) -> Response:
        """How the crawl treated each host: requests, rates, waits, what robots.txt asked for, what was saved."""
        refuse_unknown(request.query_params, set())
        return Response(politeness.report(self.get_object()).to_json())

    @action(detail=True, methods=["get"])
    def pages(self, request: Request, task_id: str) -> Response:
        """The pages of a crawl; `?state=failed` for one state, `?q=` for an address or a part of it. A page stands with
        the newest crawl that came by it: `note` says so where some may stand elsewhere."""
        refuse_unknown(request.query_params, {"state", "q", "page", "page_size"})
        task, text = self.get_object(), request.query_params.get("q", "").strip()
        pages = Page.objects.filter(task=task).defer("links", "chain", "content_hash").order_by("id")
        if (state := request.query_params.get("state")) is not None:
            known = [page_state.value for page_state in PageState]
            if state not in known:
                message = _("Give one of %(known)s, not “%(given)s”.")
                raise FieldErrors([("state", message % {"known": ", ".join(known), "given": state[:50]})])
            pages = pages.filter(state=state)
        found = find_pages(text, task_id=task.pk, state=state or "") if text else None
        pagination = BoundedPagination()
        page = pagination.paginate_queryset(pages if found is None else pages.filter(pk__in=found.ids), request)
        answer = pagination.get_paginated_response(PageSerializer(page or [], many=True).data)
        if found is not None:
            answer.data["is_cut"] = found.is_cut
        if note := _elsewhere(task):
            answer.data["note"] = note
        return answer


def _elsewhere(task: CrawlTask) -> str:
    """Why pages that a crawl counts may not be among its pages; empty where they all are."""
    if task.spider_id is None:
        return _("A crawl of several spiders has no pages of its own: look at its tasks (parent=%(task)s).") % {
            "task": task.task_id
        }
    if not CrawlTask.objects.filter(spider=task.spider_id, pk__gt=task.pk, started_at__isnull=False).exists():
        return ""
    return _("A page stands with the newest crawl that came by it: what newer crawls came by again is not among these.")
