"""What a spider would take from one page: fetched as a crawl fetches it, read as a crawl reads it, stored nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict

from .engine.documents.definition import SpiderDefinition, parse
from .engine.errors import DefinitionError, DefinitionProblem, UrlError, http_reason
from .engine.fetching.session import SessionValues
from .engine.pages.extractor import Explanation, ItemExplanation
from .engine.urls import normalise
from .manager import CrawlerManager, FetchedPage
from .secrets import SecretError, resolve_headers, resolve_session


def preview(document: Mapping[str, object] | SpiderDefinition, url: str) -> dict[str, object]:
    """Fetch `url` once and tell what the spider makes of it; plain JSON.

    Keys: `url`, `final_url`, `redirects`, `status_code`, `content_type`, `bytes`, `seconds`, `reason` and `detail`
    (why nothing was read; empty where the page was), `items` (with `fields`: `name, type, value, matches, problems`;
    `reason` where one is not stored), `links` (`url, followed, verdict`), `unmatched` (item types whose `match` is not
    in the URL), `refused` (links that are no URL to be fetched, by reason), `notice`.

    Raises:
        DefinitionError: the document, the URL (place ``url``) or a secret that it names (place ``manners.headers`` or
            ``session``).
    """
    definition = document if isinstance(document, SpiderDefinition) else parse(document)
    try:
        asked = normalise(url)
    except UrlError as error:
        raise DefinitionError([DefinitionProblem("url", str(error))]) from error
    try:
        place = "manners.headers"
        headers = resolve_headers(definition)
        place = "session"
        session = resolve_session(definition)
    except SecretError as error:
        raise DefinitionError([DefinitionProblem(place, str(error))]) from error
    page, explanation = asyncio.run(_fetch_and_explain(definition, asked, headers, session))
    return _describe_page(asked, page) | _describe_content(explanation)


async def _fetch_and_explain(
    definition: SpiderDefinition, url: str, headers: Mapping[str, str], session: SessionValues
) -> tuple[FetchedPage, Explanation]:
    # A manager of its own: the caller may be a web thread, whose loop ends with this call.
    manager = CrawlerManager()
    try:
        page = await manager.preview_fetch(definition, url, headers=headers, session=session)
        if page.answer is None or _reason(page):
            return page, Explanation("")
        return page, await manager.explain(definition, page.answer)
    finally:
        await manager.close()


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
        "reason": _reason(page),
        "detail": page.detail,
    }


def _reason(page: FetchedPage) -> str:
    """A crawl reads nothing but a good answer."""
    if page.reason or page.answer is None:
        return str(page.reason)
    status = page.answer.status_code
    return "" if 200 <= status < 300 else http_reason(status)


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
        "fields": [{**asdict(field), "problems": list(field.problems)} for field in item.fields],
    }
