"""What becomes of a page's links, and which rule decided, as the preview tells it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.utils.translation import gettext as _

from crawler.causes import cause_of
from crawler.engine.pages.extractor import Explanation, LinkExplanation
from crawler.engine.pages.patterns import Patterns
from crawler.engine.spider import FollowRule, SpiderDefinition
from crawler.engine.urls import hash_url, origin_of

from .samples import Sample

SHOWN = 100
LOOKED_AT = 5_000
"""Links that are judged and counted."""

_PIECE = re.compile(r"[^/?&]*[/?&]+|[^/?&]+")
_BY_RULE = re.compile(r"(?:followed by|denied by|not in) follow\[(\d+)\](?:\.(allow|deny)(?:\[(\d+)\])?)?")
"""The engine's words where a rule decided; the others stand in `_fixed`."""


class Verdict(StrEnum):
    FOLLOW = "follow"
    KNOWN = "known"
    """To be followed; an earlier crawl knows the page already."""
    REFUSED = "refused"
    """A rule takes it, robots.txt does not allow it."""
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One link."""

    url: str
    shown: str
    """Without the origin where that is the page's own."""
    verdict: Verdict
    why: str
    rule: int | None = None
    """Of `follow`, counted from 1, where one decided."""

    @property
    def parts(self) -> list[str]:
        """What is shown in pieces, between which a line may break."""
        return _PIECE.findall(self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksView:
    """The links of a page."""

    links: tuple[LinkView, ...] = ()
    """The first of them: those to follow, then those that are not."""
    counts: dict[str, int]
    """By verdict, of all that were judged; ``known`` counts as ``follow``."""
    more: int = 0
    """Links that are not shown."""
    refused: tuple[tuple[str, int], ...] = ()
    """What else is no address of a page, by its cause's title."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def others(self) -> int:
        """That are not followed."""
        return self.total - self.counts[Verdict.FOLLOW]


def links_view(
    explanation: Explanation, definition: SpiderDefinition, sample: Sample, known: Collection[int] = ()
) -> LinksView:
    """`known` are hashes of the pages among the first links that earlier crawls know."""
    judged = list(_judge(explanation.links[:LOOKED_AT], definition, sample))
    counts = {verdict.value: 0 for verdict in (Verdict.FOLLOW, Verdict.REFUSED, Verdict.NO)}
    for link in judged:
        counts[link.verdict] += 1
    return LinksView(
        links=tuple(_marked(link, known) for link in judged[:SHOWN]),
        counts=counts,
        more=max(0, len(explanation.links) - SHOWN),
        refused=tuple((str(cause_of(reason).title), count) for reason, count in sorted(explanation.refused.items())),
    )


def first_hashes(explanation: Explanation) -> list[int]:
    """Hashes of the links that are shown and a rule takes: for asking which of them are known."""
    return [hash_url(link.url) for link in explanation.links[:SHOWN] if link.followed]


def _judge(links: Sequence[LinkExplanation], definition: SpiderDefinition, sample: Sample) -> Iterator[LinkView]:
    allows = [Patterns(rule.allow) for rule in definition.follow]
    origin = origin_of(sample.final_url)
    for link in links:
        shown = link.url.removeprefix(origin) if origin_of(link.url) == origin else link.url
        verdict, why, rule = _words(link, definition.follow, allows)
        if link.followed:
            verdict, why = _bounded(link.url, why, definition, sample)
        yield LinkView(url=link.url, shown=shown, verdict=verdict, why=why, rule=rule)


def _words(
    link: LinkExplanation, follow: Sequence[FollowRule], allows: Sequence[Patterns]
) -> tuple[Verdict, str, int | None]:
    found = _BY_RULE.fullmatch(link.verdict)
    if found is None:
        return Verdict.NO, _fixed(link.verdict), None
    number = int(found[1])
    rule = follow[number]
    if found[2] == "deny":
        return Verdict.NO, _("deny %(expression)s") % {"expression": rule.deny[int(found[3])]}, number + 1
    if found[2] == "allow":
        return Verdict.NO, _("no allow is found in it"), number + 1
    which = allows[number].first_in(link.url)
    why = "" if which is None else _("allow %(expression)s") % {"expression": rule.allow[which]}
    return Verdict.FOLLOW, why, number + 1


def _fixed(verdict: str) -> str:
    words = {
        "outside allowed_domains": _("outside the allowed domains"),
        "the page says nofollow": _("the page says nofollow"),
        "the link says nofollow": _("the link says nofollow"),
        "followed: the page sends its readers there": _("the page sends its readers there"),
    }
    return words.get(verdict, verdict)


def _bounded(url: str, why: str, definition: SpiderDefinition, sample: Sample) -> tuple[Verdict, str]:
    """What beside the follow rules decides about a link that they take."""
    if definition.limits.max_depth == 0:
        return Verdict.NO, _("max_depth is 0: no link is followed")
    rules = sample.rules_for(url)
    if rules is None or rules.allows(url, sample.page.agent):
        return Verdict.FOLLOW, why
    if rules.problem:
        return Verdict.REFUSED, _("robots.txt cannot be read")
    return Verdict.REFUSED, _("robots.txt: %(rule)s") % {"rule": rules.rule_for(url, sample.page.agent)}


def _marked(link: LinkView, known: Collection[int]) -> LinkView:
    if link.verdict is not Verdict.FOLLOW or not known or hash_url(link.url) not in known:
        return link
    return replace(link, verdict=Verdict.KNOWN)
