"""`type: article`: the main text of a page, without menus, teasers, captions, comments and the rest of its frame.

A page is taken apart into blocks: the texts between two bounds of paragraphs, cells, headings. Sentences speak for a
block, links and brevity against it. The box (element) whose blocks weigh most together is the article; what its author
named it (`article`, ``itemprop=articleBody``, ``class="entry-content"``) multiplies its weight. Boxes that are named as
something else (``related``, ``share``, ``comments``) are left out, unless they hold most of the page's sentences.

One pass over the tree, then sums over the boxes: linear in the size of the page, and charged to its budget.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from turbohtml import Element, Node, Text

from crawler.engine.spider import FieldRule

from .fields import Reading
from .page import BREAKS, PageTree
from .patterns import Pattern
from .structured import read_jsonld

_NODE_COST = 16
"""A node walked in Python costs as much as so many characters copied."""

_UNREAD_TAGS = """
    applet aside audio button canvas datalist dialog embed figcaption footer frame frameset head iframe input map math
    menu nav noembed noframes noscript object option script select style svg template textarea title video
"""
_UNREAD = frozenset(_UNREAD_TAGS.split())
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_CELLS = frozenset(("td", "th", "li", "dt", "dd", "pre"))
"""Whose texts may be short and yet belong to an article."""

_ASIDE_WORDS = """
    addthis adsense advert advertisement advertising author authorbio authorbox banner bio breadcrumb
    breadcrumbs byline caption captions comment commentlist comments consent cookie cookies copyright credit
    credits crosslinks dateline disclaimer disclosure disqus footer gallery gdpr image img infobox latest
    masthead metadata modal mostread nav navbar navbox navigation newsletter noprint notice outbrain pager
    pagination popup postmeta printonly promo promos promotion published ratings readmore recommend
    recommendations recommended related relatedposts replies reply respond seealso share sharebar sharedaddy
    shares sharing sidebar signup social socials source sponsor sponsored subscribe subscription taboola taglist
    teaser teasers ticker timestamp toolbar topics trending upsell widget widgets
"""
_ASIDE = frozenset(_ASIDE_WORDS.split())
"""Words in names of boxes that are no part of the text around them."""
_ASIDE_NAME_WORDS = """
    ad ads breaking date hidden jp login menu meta overlay paywall popular print rating skip tags toc tools
"""
_ASIDE_NAMES = frozenset(_ASIDE_NAME_WORDS.split())
"""Those that mean it only where they are the whole name."""
_STATES = re.compile(r"(?:has|no|is|with|without|js|label|show|hide|category|tag|type|status|format|col)[-_]|.*hidden$")
"""Of names that tell of a box's state or of its neighbours: ``has-sidebar``, ``label-hidden``, ``tag-comment``."""
_ASIDE_INLINE_WORDS = """
    ad advert byline caption captions credit credits hidden newscaption share social timestamp
"""
_ASIDE_INLINE = frozenset(_ASIDE_INLINE_WORDS.split())
_LONGEST_INLINE_ASIDE = 400
_WORD_BOUNDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+")

_BODY_NAME = re.compile(
    r"(?:article|entry|post|story|news|single|blog|page|main|rich)[-_]*(?:body|content|text|copy|main|inner|detail)"
    r"|body-?(?:copy|text)|text-?body|content-?body|full-?text|articlebody|mw-content-text|field-{1,2}name-body",
    re.IGNORECASE,
)
_BODY_TAGS = frozenset(("div", "section", "article", "main", "td"))
_NAMED_ROUGHLY, _NAMED, _NAMED_EXACTLY = 1.3, 4.5, 6.0
"""What the names `main` and `article`, ``entry-content``, and ``articleBody`` of schema.org multiply a box by."""
_UNDER_HEADLINE = 1.5
"""Likewise the smallest box with the only `h1` and sentences."""
_MOST_OF_PAGE = 0.4
"""A box with so much of a page's sentences is its text, whatever its name."""

_LONG = 80
"""Characters of a text that is taken for sentences even without a stop at its end."""
_SENTENCE = 30
_LABEL = 40
_LEAD = 50
_SHORT = 400
_END = re.compile(r"[.!?…。！？؟।\"”»’')\]:]$")


@dataclass(slots=True)
class _Box:
    parent: int
    tag: str
    weight: float
    """What its names multiply its score by."""
    is_aside: bool
    end: int = 0
    """The first box after all inside it."""
    prose: float = 0.0
    score: float = 0.0


@dataclass(slots=True)
class _Block:
    box: int
    tag: str
    text: str
    linked: int
    """Characters inside of links."""
    value: float = 0.0


class ArticleReader:
    """The field's reader; lines are paragraphs. One for a crawl; holds nothing of a page."""

    def __init__(self, rule: FieldRule) -> None:
        self.name = rule.name
        self._pattern = None if rule.regex is None else Pattern(rule.regex)

    def read(self, context: Node, page: PageTree) -> Reading:
        """Raises `ReadingFailed`."""
        lines = main_text(page)
        if sum(map(len, lines)) < _SHORT:
            lines = _told(page) or lines
        text = "\n".join(lines)
        if self._pattern is not None:
            text = (self._pattern.take(text) or "").strip()
        return Reading(text or None, len(lines), [])


def main_text(page: PageTree) -> list[str]:
    """The paragraphs, headings, list entries and cells of the main text, in their order. Raises `ReadingFailed`."""
    root = page.document.select_one("body") or page.document.root
    if root is None:
        return []
    boxes, blocks = _Walk(page).take_apart(root)
    whole = _add_up(boxes, blocks)
    if not whole:
        return []
    left_out = _leave_out(boxes, blocks, whole)
    headlines = [number for number, block in enumerate(blocks) if block.tag == "h1"]
    _weigh_by_headline(boxes, blocks, headlines, whole)
    best = max(
        (number for number in range(len(boxes)) if not left_out[number]),
        key=lambda number: (boxes[number].score * boxes[number].weight, number),
    )
    inside = range(best, boxes[best].end)
    chosen = [number for number, block in enumerate(blocks) if block.box in inside and not left_out[block.box]]
    lead = _lead(boxes, blocks, headlines, chosen, best)
    kept = [*(number for number in lead if not left_out[blocks[number].box]), *_without_labels(blocks, chosen)]
    return [blocks[number].text for number in _trimmed(blocks, kept)]


def _told(page: PageTree) -> list[str]:
    """The text that a page tells in its JSON-LD: some build what is seen by script."""
    bodies = [body for body in read_jsonld(page).find_anywhere("articleBody", page) if isinstance(body, str)]
    body = max(bodies, key=len, default="")
    lines = [" ".join(line.split()) for line in body.splitlines()]
    return [line for line in lines if line] if len(body) >= _SHORT and "</" not in body else []


class _Walk:
    """Takes a tree apart into boxes, in the order in which they open, and blocks."""

    def __init__(self, page: PageTree) -> None:
        self._page = page
        self._boxes: list[_Box] = []
        self._blocks: list[_Block] = []
        self._pieces: list[str] = []
        self._linked = 0

    def take_apart(self, root: Element) -> tuple[list[_Box], list[_Block]]:
        # A stack of iterators, not recursion: pages nest 100,000 deep.
        stack: list[tuple[Iterator[Node], int, bool, bool]] = [(iter(root), self._open(root, -1), False, True)]
        while stack:
            children, box, is_link, is_box = stack[-1]
            for child in children:
                self._page.spend(_NODE_COST)
                if isinstance(child, Text):
                    self._add(child.data, is_link)
                elif isinstance(child, Element):
                    entered = self._enter(child, box, is_link)
                    if entered is not None:
                        stack.append(entered)
                        break
            else:
                stack.pop()
                if is_box:
                    self._close_block(box)
                    self._boxes[box].end = len(self._boxes)
        return self._boxes, self._blocks

    def _enter(self, element: Element, box: int, is_link: bool) -> tuple[Iterator[Node], int, bool, bool] | None:
        tag = element.tag
        if tag in _UNREAD:
            return None
        if tag in ("br", "hr"):
            self._pieces.append(" ")
            return None
        if tag in BREAKS:
            self._close_block(box)
            return iter(element), self._open(element, box), is_link, True
        name = element.attr("class")
        if (
            name
            and tag != "a"
            and _is_aside_inline(name[:100])
            and len(self._page.charge(element.text)) < _LONGEST_INLINE_ASIDE
        ):
            return None
        return iter(element), box, is_link or tag == "a", False

    def _add(self, text: str, is_link: bool) -> None:
        self._pieces.append(self._page.charge(text))
        if is_link:
            self._linked += len(text.strip())

    def _open(self, element: Element, parent: int) -> int:
        tag = element.tag
        names = f"{(element.attr('class') or '')[:300]} {(element.attr('id') or '')[:100]}"
        weight, is_aside = _judge_names(names, tag)
        if (element.attr("itemprop") or "") in ("articleBody", "text"):
            weight = _NAMED_EXACTLY
        elif weight < _NAMED_ROUGHLY and (element.attr("role") or "") in ("main", "article"):
            weight = _NAMED_ROUGHLY
        if element.attr("hidden") is not None or "display:none" in (element.attr("style") or "")[:200].replace(" ", ""):
            is_aside = True
        self._boxes.append(_Box(parent, tag, weight, is_aside))
        return len(self._boxes) - 1

    def _close_block(self, box: int) -> None:
        if self._pieces:
            text = " ".join("".join(self._pieces).split())
            if text:
                block = _Block(box, self._boxes[box].tag, text, min(self._linked, len(text)))
                block.value = _value(block)
                self._blocks.append(block)
            self._pieces.clear()
        self._linked = 0


@lru_cache(maxsize=4_096)
def _judge_names(names: str, tag: str) -> tuple[float, bool]:
    """What the class and id of an element say: its weight, and whether it is no part of the text around it."""
    weight = 1.0
    if tag in _BODY_TAGS and _BODY_NAME.search(names):
        weight = _NAMED
    elif tag in ("article", "main"):
        weight = _NAMED_ROUGHLY
    return weight, tag not in ("body", "html") and any(map(_names_aside, names.split()))


def _names_aside(name: str) -> bool:
    lower = name.lower()
    if lower in _ASIDE_NAMES:
        return True
    if _STATES.match(lower):
        return False
    return any(word.lower() in _ASIDE for word in _WORD_BOUNDS.split(name))


@lru_cache(maxsize=4_096)
def _is_aside_inline(names: str) -> bool:
    return any(word.lower() in _ASIDE_INLINE for word in _WORD_BOUNDS.split(names))


def _value(block: _Block) -> float:
    """How much a block speaks for the box around it."""
    length = len(block.text)
    share = block.linked / length
    own = length - block.linked
    if not block.text.isascii():
        # One character of Chinese says as much as two or three of Latin.
        own = max(own, own * 2 * len(block.text.encode("utf-8", "replace")) // (3 * length))
    if block.tag in _HEADINGS:
        return float(own) if own >= 80 and share < 0.3 and block.tag != "h1" else 0.0
    if share > 0.5:
        return -0.5 * length - 5
    if own >= _LONG or (own >= _SENTENCE and _END.search(block.text)):
        return own * (1 - share)
    if block.tag in _CELLS:
        return 0.3 * own if share < 0.3 else -2.0
    return -15.0


def _add_up(boxes: Sequence[_Box], blocks: Sequence[_Block]) -> float:
    """Give each box the sentences inside it; returns those of the page."""
    for block in blocks:
        if block.value > 0:
            boxes[block.box].prose += block.value
    for box in reversed(boxes):  # what opens later is inside, or behind
        if box.parent >= 0:
            boxes[box.parent].prose += box.prose
    return boxes[0].prose


def _leave_out(boxes: Sequence[_Box], blocks: Sequence[_Block], whole: float) -> list[bool]:
    """Which boxes are no part of the text; the others get their score."""
    left_out: list[bool] = []
    for box in boxes:
        is_inside = box.parent >= 0 and left_out[box.parent]
        left_out.append(is_inside or (box.is_aside and box.prose < _MOST_OF_PAGE * whole))
    for block in blocks:
        boxes[block.box].score += -0.1 * len(block.text) if left_out[block.box] else block.value
    for box in reversed(boxes):
        if box.parent >= 0:
            boxes[box.parent].score += box.score
    return left_out


def _weigh_by_headline(boxes: Sequence[_Box], blocks: Sequence[_Block], headlines: Sequence[int], whole: float) -> None:
    """What stands with the only headline weighs more; of several articles the first does, the others are teasers."""
    if len(headlines) == 1:
        number = blocks[headlines[0]].box
        while number >= 0 and boxes[number].prose < min(200.0, 0.5 * whole):
            number = boxes[number].parent
        if number >= 0 and boxes[number].weight < _NAMED and boxes[number].prose < 0.999 * whole:
            boxes[number].weight *= _UNDER_HEADLINE
    first = next((box for box in boxes if box.tag == "article" and box.prose >= max(200.0, 0.2 * whole)), None)
    if first is not None and first.weight < _NAMED:
        first.weight *= _NAMED / _NAMED_ROUGHLY


def _lead(
    boxes: Sequence[_Box], blocks: Sequence[_Block], headlines: Sequence[int], chosen: Sequence[int], best: int
) -> list[int]:
    """Sentences between the headline and the text: many pages have their first paragraph in a box of its own."""
    if (
        not headlines
        or not chosen
        or headlines[0] >= chosen[0]
        or blocks[headlines[0]].box in range(best, boxes[best].end)
    ):
        return []
    between = [number for number in range(headlines[0] + 1, chosen[0]) if blocks[number].value >= _LEAD]
    length = sum(len(blocks[number].text) for number in between)
    return between if length < 300 + 0.5 * sum(len(blocks[number].text) for number in chosen) else []


def _without_labels(blocks: Sequence[_Block], chosen: Sequence[int]) -> Iterator[int]:
    """Without links that stand alone, the page's title, and labels and headings of what was left out."""
    for number, following in pairwise([*chosen, -1]):
        block = blocks[number]
        if block.tag == "h1" or _is_link(block):
            continue
        is_label = len(block.text) < _LABEL and block.tag not in _CELLS and not _END.search(block.text.rstrip(":"))
        if block.tag in _HEADINGS or is_label:
            heads_what_is_kept = following == number + 1 and not _is_link(blocks[following])
            if not heads_what_is_kept:
                continue
        yield number


def _is_link(block: _Block) -> bool:
    share = block.linked / len(block.text)
    return share > 0.5 and len(block.text) < 200 and (block.tag != "p" or share > 0.8)


def _trimmed(blocks: Sequence[_Block], kept: Sequence[int]) -> Sequence[int]:
    """Without what is short at both ends: dates, names, "share this"."""
    start, end = 0, len(kept)
    while start < end and _is_furniture(blocks[kept[start]]):
        start += 1
    while end > start and _is_furniture(blocks[kept[end - 1]]):
        end -= 1
    return kept[start:end]


def _is_furniture(block: _Block) -> bool:
    return block.value <= 0 and not (block.tag == "p" and not block.linked and len(block.text) >= 15)
