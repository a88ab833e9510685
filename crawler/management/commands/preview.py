"""`manage.py preview SPIDER URL`: what a spider would take from one page."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crawler import definitions
from crawler.engine.documents.definition import SpiderDefinition, parse
from crawler.management.plain import find_spider, plain_errors
from crawler.models import Spider
from crawler.preview import describe, fetch
from crawler.workshop.refusals import Notice, refusal_of
from scheduling.terminal import printable

from .loaddefinitions import read_text

_SLUG = re.compile(r"[a-zA-Z0-9_-]+")


class Command(BaseCommand):
    help = (
        "Fetch one page as a crawl would and show what a spider would extract and follow, with the rule that decided "
        "each link; nothing is stored. Exit code 0: the page was read; 1: it was refused or gave no good answer."
    )
    # Pages (addresses, admin, API) are neither needed nor loaded, and so not checked.
    requires_system_checks = ["scheduling"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "spider", metavar="SPIDER", help="a name, or a definitions file: FILE, or FILE:NAME where it holds several"
        )
        parser.add_argument("url", metavar="URL")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: object, spider: str, url: str, json: bool, **options: object) -> None:
        with plain_errors():
            definition = find_definition(spider)
            page = fetch(definition, url)
            found = describe(definition, url, page)
            refusal = refusal_of(page, definition) if page.why_unread else None
            for line in [_to_json(found)] if json else map(printable, _lines(found, refusal)):
                self.stdout.write(line)
        if refusal is not None:
            sys.exit(1)


def find_definition(name: str) -> SpiderDefinition:
    """The spider of a stored name, or of a file. Raises `CommandError`, `InvalidDefinitions`, `OSError`."""
    if _SLUG.fullmatch(name) and (Spider.objects.filter(name=name).exists() or not os.path.exists(name)):
        return parse(find_spider(name).definition)
    file, wanted = name, ""
    if name != "-" and not os.path.exists(name):
        file, _colon, wanted = name.rpartition(":")
        if not file:
            file, wanted = name, ""
    found = definitions.parse_files([read_text(file)])
    if found.problems:
        raise definitions.InvalidDefinitions(found.problems)
    spiders = {entry.definition.name: entry.definition for entry in found.spiders}
    if wanted in spiders:
        return spiders[wanted]
    if len(spiders) == 1 and not wanted:
        return next(iter(spiders.values()))
    listed = ", ".join(f'"{one}"' for one in spiders) or "none"
    what = f'no spider "{wanted}"' if wanted else "not one spider"
    raise CommandError(f"{file} holds {what}: {listed}. Write {file}:NAME.", returncode=2)


def _lines(found: dict[str, object], refusal: Notice | None) -> Iterator[str]:
    """The preview for people, line by line."""
    for redirect in cast("list[str]", found["redirects"]):
        yield f"{redirect} redirects to"
    status = "no answer" if found["status_code"] is None else f"{found['status_code']} {found['content_type']}"
    yield f"{found['final_url']}: {status}, {found['bytes']:,} bytes in {found['seconds']} s"
    if refusal is not None:
        yield f"Not read: {found['reason']} {refusal.detail}".rstrip()
        yield f"  {refusal.title}: {refusal.what}"
        yield f"  What to do: {refusal.remedy}"
        return
    if found["notice"]:
        yield f"Note: {found['notice']}"
    for kind in cast("list[str]", found["unmatched"]):
        yield f"No {kind}: the rule's match is not in this URL"
    for item in cast("list[dict[str, object]]", found["items"]):
        yield from _describe_item(item)
    yield from _describe_links(
        cast("list[dict[str, object]]", found["links"]), cast("dict[str, int]", found["refused"])
    )


def _describe_item(item: dict[str, object]) -> Iterator[str]:
    yield (
        f"{item['type']} NOT STORED: {item['reason']}" if item["reason"] else f"{item['type']} {_to_json(item['key'])}"
    )
    fields = cast("list[dict[str, object]]", item["fields"])
    width = max((len(str(field["name"])) for field in fields), default=0)
    for field in fields:
        matches = "" if field["matches"] == 1 else f"   ({field['matches']} matches)"
        yield f"  {field['name']:<{width}}  {_to_json(field['value'])}{matches}"
        yield from (f"  {'':<{width}}  ! {problem}" for problem in cast("list[str]", field["problems"]))


def _describe_links(links: list[dict[str, object]], refused: dict[str, int]) -> Iterator[str]:
    followed = sum(1 for link in links if link["followed"])
    others = "".join(f", {count} {reason}" for reason, count in refused.items())
    yield f"Links: {followed} followed, {len(links) - followed} not{others}"
    for link in links:
        yield f"  {'+' if link['followed'] else '-'} {link['url']}   {link['verdict']}"


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
