"""What a spider would take from a page: fetched as a crawl fetches it, read as a crawl reads it, stored nowhere.

Command, REST and the workshop ask these functions: `fetch` goes out, `explain` does not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from time import monotonic

from django.conf import settings

from .engine.documents.definition import SpiderDefinition, parse
from .engine.errors import DefinitionError, DefinitionProblem, ReadingEnded, Reason, UrlError
from .engine.fetching.session import SessionValues
from .engine.messages import reason_of
from .engine.pages.directives import Directives
from .engine.pages.extractor import Explanation, FieldExplanation, ItemExplanation
from .engine.pages.parsing import Helpers, PageParser
from .engine.records import Answer
from .engine.urls import normalise
from .manager import CrawlerManager
from .one_page import FetchedPage
from .secrets import SecretError, resolve_headers, resolve_session


def preview(
    document: Mapping[str, object] | SpiderDefinition, url: str, *, seconds: float | None = None
) -> dict[str, object]:
    """Fetch `url` once, within `seconds` where given, and tell what the spider makes of it; plain JSON.

    Keys: `url`, `final_url`, `redirects`, `status_code`, `content_type`, `bytes`, `seconds`, `reason` and `detail`
    (why nothing was read; empty where the page was), `items` (with `fields`: `name, type, value, matches, problems`;
    `reason` where one is not stored), `links` (`url, followed, verdict`), `unmatched` (item types whose `match` is not
    in the URL), `refused` (links that are no URL to be fetched, by reason), `notice`.

    Raises:
        DefinitionError: the document, the URL (place ``url``) or a secret that it names (place ``manners.headers`` or
            ``session``).
    """
    definition = document if isinstance(document, SpiderDefinition) else parse(document)
    return describe(definition, url, fetch(definition, url, seconds=seconds))


def describe(definition: SpiderDefinition, url: str, page: FetchedPage) -> dict[str, object]:
    """What `preview` tells, of what `fetch` gave for `url`."""
    explanation = Explanation("") if page.answer is None or page.why_unread else explain(definition, page.answer)
    return _describe_page(address(url), page) | _describe_content(explanation)


def address(url: str) -> str:
    """`url`, normalised. Raises `DefinitionError` (place ``url``)."""
    try:
        return normalise(url)
    except UrlError as error:
        raise DefinitionError([DefinitionProblem("url", reason_of(error))]) from error


def fetch(definition: SpiderDefinition, url: str, *, seconds: float | None = None) -> FetchedPage:
    """Ask for one page, with the spider's own headers and session; after `seconds`, where given, it has failed.

    Raises `DefinitionError` as `preview` does.
    """
    asked = address(url)
    place = "manners.headers"
    try:
        headers = resolve_headers(definition)
        place = "session"
        session = resolve_session(definition)
    except SecretError as error:
        raise DefinitionError([DefinitionProblem(place, reason_of(error))]) from error
    return asyncio.run(_fetch(definition, asked, headers, session, seconds))


def explain(definition: SpiderDefinition, answer: Answer, *, seconds: float | None = None) -> Explanation:
    """What the spider makes of an answer, within the bounds of a crawl and of `seconds`, and without any network."""
    [found] = explain_all(definition, [answer], seconds=seconds)
    if isinstance(found, ReadingEnded):
        return Explanation(answer.url, notice=str(found), reason=found.reason)
    return found


def explain_all(
    definition: SpiderDefinition, answers: Iterable[Answer], *, seconds: float | None = None
) -> list[Explanation | ReadingEnded]:
    """The same for several; an answer that takes more than a crawl would give it has its `ReadingEnded` in its place,
    and so have those that are not through after `seconds`, all together."""
    return asyncio.run(_explain_all(definition, answers, seconds))


async def _fetch(
    definition: SpiderDefinition, url: str, headers: Mapping[str, str], session: SessionValues, seconds: float | None
) -> FetchedPage:
    # A manager of its own: the caller may be a web thread, whose loop ends with this call.
    manager = CrawlerManager()
    try:
        return await manager.preview_fetch(definition, url, headers=headers, session=session, seconds=seconds)
    finally:
        await manager.close()


async def _explain_all(
    definition: SpiderDefinition, answers: Iterable[Answer], seconds: float | None
) -> list[Explanation | ReadingEnded]:
    end = None if seconds is None else monotonic() + seconds
    helpers = Helpers()
    parser = PageParser(definition, helpers, user_agent=settings.CRAWLER_USER_AGENT)
    directives = Directives(definition.manners, definition.manners.user_agent or settings.CRAWLER_USER_AGENT)
    found: list[Explanation | ReadingEnded] = []
    try:
        for answer in answers:
            try:
                async with asyncio.timeout(None if end is None else max(0.0, end - monotonic())):
                    read = await parser.explain(answer.url, answer.body, answer.charset, answer.content_type)
                    found.append(read.heard(directives.of_headers(answer.headers, answer.url)))
            except ReadingEnded as error:
                found.append(error)
            except TimeoutError:
                message = f"reading the pages took longer than {seconds or 0:g} s, and was ended"
                found.append(ReadingEnded(message, reason=Reason.READING_TIMEOUT))
    finally:
        await helpers.close()
    return found


def _describe_page(asked: str, page: FetchedPage) -> dict[str, object]:
    answer = page.answer
    return {
        "url": asked,
        "final_url": asked if answer is None else answer.url,
        "redirects": list(page.redirects),
        "status_code": None if answer is None else answer.status_code,
        "content_type": "" if answer is None else answer.content_type,
        "bytes": 0 if answer is None else answer.wire_bytes,
        "seconds": 0.0 if answer is None else round(answer.seconds, 3),
        "reason": page.why_unread,
        "detail": page.detail,
    }


def _describe_content(explanation: Explanation) -> dict[str, object]:
    return {
        "items": [_describe_item(item) for item in explanation.items],
        "links": [asdict(link) for link in explanation.links],
        "unmatched": list(explanation.unmatched),
        "refused": {str(reason): count for reason, count in explanation.refused.items()},
        "notice": explanation.notice,
    }


def _describe_item(item: ItemExplanation) -> dict[str, object]:
    return {
        "type": item.type,
        "key": json.loads(item.key) if item.key else None,
        "reason": item.reason,
        "fields": _describe_fields(item.fields),
    }


def _describe_fields(fields: Sequence[FieldExplanation]) -> list[dict[str, object]]:
    return [
        {
            "name": field.name,
            "type": field.type,
            "value": field.value,
            "matches": field.matches,
            "problems": list(field.problems),
        }
        for field in fields
    ]
