"""The handler that crawls. The crawl engine behind it is loaded by the processes that crawl, and by no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from scheduling.contract import FormField, JobContext, JobHandler, JobResult, register

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


@register
class CrawlJobHandler(JobHandler):
    """Crawls a spider, given URLs, or (each in a run of its own) all spiders or those of a category."""

    name: ClassVar[str] = "crawl"
    description: ClassVar[str] = "Crawls a spider, a category, all spiders, or given URLs."

    def load(self) -> None:
        """The crawl engine, and what a crawl's end and a report tell of it."""
        from . import crawling  # noqa: F401
        from .account import reporting  # noqa: F401

    def validate(self, job_data: Mapping[str, object]) -> None:
        """Refuse what cannot be crawled, naming the nearest spider."""
        from .crawl_data import check_request, read_request

        check_request(read_request(job_data))

    def form(self, user: User | AnonymousUser) -> Iterable[FormField]:
        """One spider, a category, all spiders, or given addresses."""
        from .crawl_form import crawl_form

        return crawl_form(user)

    def exclusive_key(self, job_data: Mapping[str, object]) -> str:
        """One crawl per spider at a time."""
        from .crawl_data import read_request

        return read_request(job_data).exclusive_key

    async def execute(self, context: JobContext) -> JobResult:
        """Crawl, or go on with a crawl that an earlier attempt began."""
        from .crawling import crawl

        return await crawl(context)
