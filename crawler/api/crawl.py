"""`POST /api/crawl/…`: ask for a crawl; the answer names the task to follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crawler.models import CrawlTask, Spider
from crawler.tasks import request_crawl
from crawlproject.web.problems import FieldErrors
from crawlproject.web.requests import body_object, moment
from scheduling.exceptions import InvalidJob, InvalidJobData


class CrawlView(APIView):
    """What the four ways to ask have in common."""

    action_permissions = {"post": "crawler.add_crawltask"}

    def ask(
        self,
        request: Request,
        body: dict[str, object],
        task_type: str,
        target: str | Sequence[str] | None = None,
        *,
        spider: str = "",
    ) -> Response:
        """202 with the task's id. `body` may hold `run_at`."""
        run_at = _run_at(body)
        with as_problems():
            task = request_crawl(task_type, target, spider=spider, run_at=run_at, by=request.user.get_username())
        return Response({"task_id": task.task_id, "message": _message(None if task.run_id else run_at)}, status=202)


class CrawlAllView(CrawlView):
    """Ask for a crawl of every spider that is enabled."""

    def post(self, request: Request) -> Response:
        return self.ask(request, body_object(request, known={"run_at"}), CrawlTask.Type.ALL)


class CrawlCategoryView(CrawlView):
    """Ask for a crawl of the spiders of a category."""

    def post(self, request: Request, name: str) -> Response:
        body = body_object(request, known={"run_at"})
        if not Spider.objects.filter(category=name).exists():
            raise NotFound(_("There is no spider of the category “%(name)s”.") % {"name": name})
        return self.ask(request, body, CrawlTask.Type.CATEGORY, name)


class CrawlSpiderView(CrawlView):
    """Ask for a crawl of one spider."""

    def post(self, request: Request, name: str) -> Response:
        body = body_object(request, known={"run_at"})
        if not Spider.objects.filter(name=name).exists():
            raise NotFound(_("There is no spider “%(name)s”.") % {"name": name})
        return self.ask(request, body, CrawlTask.Type.SPIDER, name)


class CrawlUrlsView(CrawlView):
    """Ask for a crawl of single pages by a spider's rules."""

    def post(self, request: Request) -> Response:
        body = body_object(request, known={"urls", "spider", "run_at"})
        urls, spider = body.get("urls"), body.get("spider")
        problems = []
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            problems.append(("urls", _("Give a list of at least one address.")))
        if not isinstance(spider, str) or not spider:
            problems.append(("spider", _("Give the name of the spider whose rules read these pages.")))
        if problems or not isinstance(urls, list):
            raise FieldErrors(problems)
        return self.ask(request, body, CrawlTask.Type.URLS, urls, spider=str(spider))


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn a refused request into a 400 that names the field of the body."""
    try:
        yield
    except InvalidJobData as error:
        place = error.place.removeprefix("job_data.")
        field = place.replace("target", "urls", 1) if place.startswith("target") else place
        raise FieldErrors([(field, error.message)]) from error
    except InvalidJob as error:
        raise FieldErrors(error.problems) from error


def _run_at(body: dict[str, object]) -> datetime | None:
    value = body.get("run_at")
    return None if value is None else moment(value, field="run_at")


def _message(run_at: datetime | None) -> str:
    if run_at is None:
        return _("The crawl begins as soon as a scheduler has a free place.")
    return _("The crawl begins at %(time)s.") % {"time": run_at.isoformat()}
