"""What a spider takes from a page: items and links, out of one tree that is parsed once.

`Extractor.extract` is for crawls; `Extractor.explain` reads the same way and tells where each value came from and
which rule decided about each link.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from crawler.engine.content_types import is_readable, names_json
from crawler.engine.errors import Reason, quoted
from crawler.engine.reading import FAILURES
from crawler.engine.records import Extraction, Finding, ItemRecord, Json, ValueProblem
from crawler.engine.scope import Scope
from crawler.engine.spider import SpiderDefinition

from .bounds import FULL, Bounds
from .diagnosis import diagnose, wall_behind
from .directives import NOTHING, Asked, Directives
from .feeds import feed_links
from .items import Candidate, ItemReader, RuleReader
from .jsonpages import JsonPage, JsonRules, JsonUnreadable, reads_json
from .links import LinkReader, Links, html_links, reads_feeds
from .page import PageTree, ReadingFailed

MAX_WALL_LINKS = 10
"""Links that are followed from a page: one with more leads on, whatever it lacks, unless a rule's `match` chose it."""
MAX_EXAMPLES = 20
"""Pages that are named of those on which a rule found nothing, a rule."""
_MISSING = frozenset({Reason.MISSING_KEY, Reason.MISSING_REQUIRED})
_PAGES = frozenset({"", "text/html", "application/xhtml+xml"})
"""Content types of which a reader may see something: a feed without items is no wall."""
_NOFOLLOW = "the page says nofollow"
_Page = TypeVar("_Page", PageTree, JsonPage)
_Context = TypeVar("_Context")


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    name: str
    type: str
    value: Json
    matches: int
    """How much the selector found."""
    problems: tuple[str, ...]
    """Each text that is not of the field's type, and why; or that the field is missing."""
    unreadable: tuple[str, ...] = ()
    """Those texts alone."""


@dataclass(frozen=True, slots=True)
class ItemExplanation:
    type: str
    key: str
    """Empty where the item is not stored."""
    fields: tuple[FieldExplanation, ...]
    reason: str
    """Why it is not stored; empty where it is."""


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    url: str
    followed: bool
    verdict: str
    """``followed by follow[0]``, ``denied by follow[0].deny[1]``, ``outside allowed_domains`` …"""


@dataclass(frozen=True, slots=True)
class Explanation:
    url: str
    items: tuple[ItemExplanation, ...] = ()
    links: tuple[LinkExplanation, ...] = ()
    unmatched: tuple[str, ...] = ()
    """Types of the item rules whose `match` is not found in the page's URL."""
    refused: Counter[str] = field(default_factory=Counter)
    """Links that are no URL to be fetched, by reason."""
    notice: str = ""
    """Why nothing, or not all, was read."""
    reason: str = ""
    """The `Reason` of the notice, where it has one."""

    def heard(self, asked: Asked) -> Explanation:
        """The same, where the answer's headers ask for something too."""
        links = self.links
        if asked.nofollow:
            links = tuple(replace(link, followed=False, verdict=_NOFOLLOW) if link.followed else link for link in links)
        told = (self.reason, self.notice)
        reason, notice = told if self.reason in FAILURES else _notice_of(asked) or told
        return replace(self, links=links, reason=reason, notice=notice)


class Extractor:
    """A spider's rules, compiled once for a crawl. Safe to use from several threads."""

    def __init__(self, definition: SpiderDefinition, user_agent: str = "") -> None:
        """`user_agent` is what the crawl calls itself where the spider does not say: pages may address it by name."""
        self._items = tuple(ItemReader(rule) for rule in definition.items if not rule.reads_json)
        self._claiming = frozenset(rule.type for rule in definition.items if rule.match is not None)
        self._shown: Counter[str] = Counter()
        self._links = html_links(definition.follow)
        self._reads_feeds = reads_feeds(definition.follow)
        self._json = JsonRules(definition) if reads_json(definition) else None
        self._types = {(item.type, rule.name): rule.type for item in definition.items for rule in item.fields}
        self._directives = Directives(definition.manners, definition.manners.user_agent or user_agent)
        self._scope = Scope(definition)

    def extract(self, url: str, body: bytes, charset: str, content_type: str, bounds: Bounds = FULL) -> Extraction:
        """Items and links of the page whose final, normalised URL is `url`.

        Whatever the page holds, nothing is raised; but `Outgrown` where `bounds` are hasty.

        Links are judged by the follow rules alone: scope, depth and robots.txt are the frontier's affair.
        """
        extraction = Extraction()
        if self._json is not None:
            try:
                answer = self._json.open(url, body, charset, content_type, bounds)
            except JsonUnreadable as error:
                _note_failure(extraction, Reason.JSON_INVALID, str(error))
                return extraction
            if answer is not None:
                self._extract(answer, self._json.links, self._json.items, extraction)
                return extraction
        if not is_readable(content_type, body if self._reads_feeds else b""):
            extraction.reasons[Reason.NOT_HTML] += 1
            return extraction
        try:
            page = self._parse(url, body, charset, content_type, bounds)
        except ReadingFailed as error:
            _note_failure(extraction, Reason.EXTRACTION_ERROR, str(error))
            return extraction
        asked = self._directives.of_page(page)
        extraction.canonical, extraction.noindex = asked.canonical, asked.noindex
        extraction.refresh = "" if asked.nofollow else asked.refresh
        readers = () if asked.noindex else self._items
        if not self._extract(page, self._links, readers, extraction, asked) and not asked.noindex:
            self._look_closer(page, body, content_type, extraction)
        return extraction

    def explain(self, url: str, body: bytes, charset: str, content_type: str, bounds: Bounds = FULL) -> Explanation:
        """The same, with the reason for everything; for previews."""
        if self._json is not None:
            try:
                answer = self._json.open(url, body, charset, content_type, bounds)
            except JsonUnreadable as error:
                return Explanation(url, notice=f"not JSON: {error}", reason=Reason.JSON_INVALID)
            if answer is not None:
                return self._explain(answer, self._json.links, self._json.items)
        if not is_readable(content_type, body if self._reads_feeds else b""):
            hint = "; each_json and json read JSON answers" if names_json(content_type) else ""
            notice = f"content type {content_type} is not read{hint}"
            return Explanation(url, notice=notice, reason=Reason.NOT_HTML)
        try:
            page = self._parse(url, body, charset, content_type, bounds)
        except ReadingFailed as error:
            return Explanation(url, notice=str(error), reason=Reason.EXTRACTION_ERROR)
        asked = self._directives.of_page(page)
        explanation = self._explain(page, self._links, self._items, asked)
        if not explanation.notice and not any(field.value for item in explanation.items for field in item.fields):
            finding = diagnose(page, body)
            if finding is not None:
                explanation = replace(explanation, notice=finding.detail, reason=finding.reason)
        target = "" if asked.nofollow else asked.refresh
        return _with_refresh(explanation, target, self._scope) if target else explanation

    def _explain(
        self,
        page: _Page,
        link_reader: LinkReader[_Page],
        readers: Sequence[RuleReader[_Context, _Page]],
        asked: Asked = NOTHING,
    ) -> Explanation:
        links = Links({}, {}, {})
        items: list[ItemExplanation] = []
        reason, notice = _notice_of(asked) or ("", self._other_rules(readers, page))
        try:
            links = link_reader.read(page)
            if isinstance(page, PageTree) and self._directives.obeys_links:
                link_reader.leave_nofollow(page, links)
            keys: set[tuple[str, str]] = set()
            for reader in readers:
                if reader.wants(page.url):
                    items.extend(self._explain_item(candidate, keys) for candidate in reader.read(page))
        except ReadingFailed as error:
            reason, notice = Reason.EXTRACTION_ERROR, str(error)
        return Explanation(
            page.url,
            items=tuple(items),
            links=tuple(self._explain_links(links, asked)),
            unmatched=tuple(reader.type for reader in readers if not reader.wants(page.url)),
            refused=Counter(links.refused),
            notice=notice,
            reason=reason,
        )

    def _other_rules(self, readers: Sequence[RuleReader[_Context, _Page]], page: _Page) -> str:
        """That there are rules for another kind of answer, where one would look for what they give."""
        read = {reader.type for reader in readers}
        others = sorted({kind for kind, _ in self._types} - read)
        if self._json is None or not others:
            return ""
        if isinstance(page, JsonPage):
            return f"this is a JSON answer; {', '.join(others)} would be read from HTML pages"
        return f"this is no JSON answer; {', '.join(others)} would be read from one"

    def _parse(self, url: str, body: bytes, charset: str, content_type: str, bounds: Bounds) -> PageTree:
        """Raises `ReadingFailed`."""
        page = PageTree(url, body, charset, bounds)
        if self._reads_feeds:
            page.entries = feed_links(url, body, charset, content_type, page.check_time)
        return page

    def _extract(
        self,
        page: _Page,
        link_reader: LinkReader[_Page],
        readers: Sequence[RuleReader[_Context, _Page]],
        extraction: Extraction,
        asked: Asked = NOTHING,
    ) -> bool:
        """Whether the page gave a value, or what it gives is not known."""
        try:
            links = link_reader.read(page)
            if isinstance(page, PageTree) and self._directives.obeys_links:
                self._leave_nofollow(page, links, asked, extraction)
            extraction.links = list(links.taken)
            if links.refused:
                extraction.reasons.update(links.refused)
            return self._extract_items(page, readers, extraction)
        except ReadingFailed as error:
            _note_failure(extraction, Reason.EXTRACTION_ERROR, str(error))
            return True

    def _leave_nofollow(self, page: PageTree, links: Links, asked: Asked, extraction: Extraction) -> None:
        if asked.nofollow:
            links.nofollow, links.taken = links.taken, {}
        else:
            self._links.leave_nofollow(page, links)
        if links.nofollow:
            extraction.reasons[Reason.NOFOLLOW] += len(links.nofollow)

    def _extract_items(
        self, page: _Page, readers: Sequence[RuleReader[_Context, _Page]], extraction: Extraction
    ) -> bool:
        """Whether the page gave a value: an item without any is stored, and says nothing."""
        reasons = extraction.reasons
        gave = False
        for reader in readers:
            if not reader.wants(page.url):
                continue
            extraction.taken += reader.types
            is_bare = True
            keys: set[str] = set()
            for candidate in reader.read(page):
                for problem in candidate.problems:
                    if problem.reason == Reason.UNREADABLE_VALUE:
                        reasons[Reason.UNREADABLE_VALUE] += 1
                record = candidate.record
                if record is None:
                    is_bare = False
                    extraction.rejected += 1
                    extraction.problems.extend(candidate.problems)
                    if candidate.reason is not None:
                        reasons[candidate.reason] += 1
                elif record.key in keys:
                    reasons[Reason.DUPLICATE_KEY] += 1
                else:
                    keys.add(record.key)
                    extraction.items.append(record)
                    if record.data_json != reader.hollow:
                        is_bare, gave = False, True
            if is_bare:
                self._note_bare(reader, extraction)
        if extraction.rejected:
            missing = ((p.type, p.field) for p in extraction.problems if p.reason in _MISSING)
            extraction.missed.extend(dict.fromkeys(missing))
        return gave

    def _note_bare(self, reader: RuleReader[_Context, _Page], extraction: Extraction) -> None:
        """A rule found nothing. Only where its `match` chose the page that is worth a word."""
        extraction.missed.append((reader.type, ""))
        if not reader.has_match:
            return
        extraction.reasons[Reason.NOTHING_MATCHED] = 1
        if self._shown[reader.type] < MAX_EXAMPLES:
            self._shown[reader.type] += 1
            extraction.problems.append(ValueProblem(reader.type, "", Reason.NOTHING_MATCHED))

    def _look_closer(self, page: PageTree, body: bytes, content_type: str, extraction: Extraction) -> None:
        """Why a page gave nothing. One that no rule took and that leads on to others is what it is meant to be."""
        for reader in () if self._json is None else self._json.items:
            if reader.has_match and reader.wants(page.url):
                # JSON was asked for, and a page came.
                extraction.taken += reader.types
                self._note_bare(reader, extraction)
        taken = extraction.taken
        if content_type not in _PAGES or (extraction.links and not taken):
            return
        if extraction.refresh:
            wall = wall_behind(extraction.refresh, page.url)
            if wall is not None:
                extraction.finding = Finding(wall, f"sends on to {extraction.refresh}", is_wall=True)
            return
        finding = diagnose(page, body)
        if finding is not None and finding.needs_claim:
            claimed = not self._claiming.isdisjoint(taken)
            if not claimed and len(extraction.links) > MAX_WALL_LINKS:
                return
            expected = claimed if finding.reason == Reason.LOGIN_WALL else bool(taken)
            finding = replace(finding, needs_claim=not expected)
        extraction.finding = finding

    def _explain_item(self, candidate: Candidate, keys: set[tuple[str, str]]) -> ItemExplanation:
        record = candidate.record
        reason = "" if candidate.reason is None else candidate.reason.value
        if record is not None and (record.type, record.key) in keys:
            reason, record = Reason.DUPLICATE_KEY.value, None
        if record is not None:
            keys.add((record.type, record.key))
        return ItemExplanation(
            candidate.type,
            "" if record is None else record.key,
            tuple(self._explain_fields(candidate, record)),
            reason,
        )

    def _explain_fields(self, candidate: Candidate, record: ItemRecord | None) -> list[FieldExplanation]:
        missing = {
            problem.field: problem.reason for problem in candidate.problems if problem.reason != Reason.UNREADABLE_VALUE
        }
        explanations = []
        for name, reading in candidate.readings.items():
            problems = [f"{quoted(text)} is {why}" for text, why in reading.unreadable]
            if name in missing:
                problems.append(missing[name])
            value = reading.value if record is None else record.data[name]
            kind = self._types[candidate.type, name].value
            unreadable = tuple(text for text, _ in reading.unreadable)
            explanations.append(FieldExplanation(name, kind, value, reading.matches, tuple(problems), unreadable))
        return explanations

    def _explain_links(self, links: Links, asked: Asked) -> list[LinkExplanation]:
        explanations = []
        for url, number in links.taken.items():
            if asked.nofollow:
                explanations.append(LinkExplanation(url, False, _NOFOLLOW))
            elif self._scope.judge(url) is None:
                explanations.append(LinkExplanation(url, True, f"followed by follow[{number}]"))
            else:
                explanations.append(LinkExplanation(url, False, "outside allowed_domains"))
        explanations.extend(LinkExplanation(url, False, "the link says nofollow") for url in links.nofollow)
        for url, number in links.left.items():
            objection = self._links.rules[number].objection(url) or ""
            place = f"follow[{number}].{objection}"
            verdict = f"denied by {place}" if objection.startswith("deny") else f"not in {place}"
            explanations.append(LinkExplanation(url, False, verdict))
        return explanations


def _note_failure(extraction: Extraction, reason: Reason, detail: str) -> None:
    extraction.reasons[reason] += 1
    extraction.problems.append(ValueProblem("", "", reason, detail))


def _with_refresh(explanation: Explanation, target: str, scope: Scope) -> Explanation:
    """With the link that no rule decides: where the page sends its readers."""
    is_covered = scope.judge(target) is None
    verdict = "followed: the page sends its readers there" if is_covered else "outside allowed_domains"
    others = tuple(link for link in explanation.links if link.url != target)
    return replace(explanation, links=(LinkExplanation(target, is_covered, verdict), *others))


def _notice_of(asked: Asked) -> tuple[str, str] | None:
    """What a crawl would leave out of the page because the page says so: the reason, and the words."""
    if asked.canonical:
        words = f"the page gives its place to its canonical page, {asked.canonical}: it gives no items itself"
        return Reason.CANONICAL, words
    return (Reason.NOINDEX, "the page says noindex: its items are not kept") if asked.noindex else None
