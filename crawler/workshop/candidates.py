"""From elements that somebody pointed at to selectors that find them, the sturdiest first.

As ROBULA+ does (see `features`), short and general selectors are tried before long and special ones, and each is run:
what is proposed was found by the engine's own selectors on the engine's own tree. Unlike it, all selectors of one, two
and three steps are ranked by the sum of what they hold on to; a label beside the value (``UPC`` before
``a897fe…``) counts as a hold, and positions are the last resort, as in the unique selectors of `finder` and Firefox.
Where there are several items on a page, or further pages, a selector has to give a value on those too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from turbohtml import Element, Node

from crawler.engine.pages.bounds import Outgrown
from crawler.engine.pages.counting import counted_once
from crawler.engine.pages.page import PageTree, ReadingFailed
from crawler.engine.pages.selectors import Found, compile_css, compile_xpath
from crawler.engine.records import Json

from .features import Hold, attribute, holds, position
from .goals import MAX_SHOWN_MATCHES, Candidate, Goal
from .labels import labelled
from .readings import TEXT
from .scopes import alike, ancestors, contexts_of, home_of
from .trying import GAP, MAX_CONTEXTS, Coming, Trial, cheapest_first, first_values

MOST = 6
"""Candidates that are proposed."""
_MAX_TRIED = 4_000
SECONDS = 0.8
"""Of this thread's processor time."""
_LAST_SECONDS = 0.3
"""For a selector by positions, where there is no other."""
_STEP = 2.0
"""What each further step of a selector costs."""
_CHILD = 0.6
_FIRST_OF_MANY = 6.0
"""What it costs to count on the order of what is found."""
_STRANGERS = 12.0
"""What it costs where all of a kind are wanted, and others come along or some are left out."""
_SAME_KIND = 12.0
"""What it costs to hold on to a sibling that has the same tag and nothing else."""
_FAR_WORSE = 24.0
_UNSEEN = frozenset({"script", "style", "link", "meta", "template", "noscript", "br"})
"""Elements that come and go between those that are seen."""
_MAX_TEXT = 200


def candidates(
    page: PageTree, goal: Goal, others: Sequence[PageTree] = (), *, most: int = MOST, seconds: float = SECONDS
) -> list[Candidate]:
    """Selectors for `goal`, ranked. `others` are pages of the same kind. What is not found in `seconds` is left out.

    Raises `OutsideScope`, and `ReadingFailed` or `Outgrown` where the page asks for more than any real page does.
    """
    found = _Search(page, goal, seconds).run()
    return _diverse(cheapest_first(found, Trial(others, goal.each) if others else None), most)


class _Search:
    def __init__(self, page: PageTree, goal: Goal, seconds: float) -> None:
        self._page = page
        self._deadline = time.thread_time() + seconds
        self._goal = goal
        contexts = contexts_of(page, goal.each)
        self._contexts = contexts[:MAX_CONTEXTS]
        self._home = home_of(page, goal.each, goal.targets[0], contexts)
        self._homes = {target: home_of(page, goal.each, target, contexts) for target in goal.targets}
        self._group = set(alike(goal.targets[0], self._home)) if goal.many else set()
        self._group.update(target for target in goal.targets if self._homes[target] == self._home)
        self._best = inf
        self._known_holds: dict[Element, list[Hold]] = {}
        self._suffix = f"::attr({goal.attribute})" if goal.attribute else ""

    def run(self) -> Iterator[Coming]:
        """Each with what those after it cost at least: whoever has enough that are cheaper asks for no more."""
        target = self._goal.targets[0]
        if target == self._home:
            yield from ((0.0, one) for one in self._of_the_item_itself())
            return
        others = list(self._counted())
        if self._goal.by_labels and not self._is_over():
            others += self._labelled(target)
        yield from ((0.0, one) for one in others)
        costs: list[float] = []
        tried: set[str] = set()
        for tries, hold in enumerate(self._ideas(target)):
            enough = len(costs) >= 4 * MOST and hold.cost > sorted(costs)[MOST] + 4
            if enough or tries > _MAX_TRIED or self._is_over():
                break
            if hold.css not in tried:
                tried.add(hold.css)
                candidate = self._verified("css", hold)
                costs += [] if candidate is None else [candidate.cost]
                yield hold.cost, candidate
        if not costs and not others:
            yield from ((inf, one) for one in self._by_position(target))

    def _labelled(self, target: Element) -> Iterator[Candidate]:
        for hold in labelled(target, self._home, attribute=self._goal.attribute, is_relative=bool(self._goal.each)):
            candidate = self._verified("xpath", hold)
            if candidate is not None:
                yield candidate
            if self._is_over():
                return

    def _is_over(self) -> bool:
        return time.thread_time() > self._deadline

    def _holds(self, element: Element) -> list[Hold]:
        found = self._known_holds.get(element)
        if found is None:
            found = self._known_holds[element] = holds(element, self._page.url)
        return found

    def _ideas(self, target: Element) -> Iterator[Hold]:
        """CSS to try, the sturdiest first."""
        own = self._holds(target)
        ideas = list(own)
        for number, ancestor in enumerate(ancestors(target, self._home)):
            distance = 0.25 * number
            for above in self._holds(ancestor)[:6]:
                for hold in own[:8]:
                    cost = above.cost / 2 + hold.cost + _STEP + distance
                    ideas.append(Hold(f"{above.css} {hold.css}", cost))
                    if number == 0:
                        ideas.append(Hold(f"{above.css} > {hold.css}", cost + _CHILD))
        ideas += self._beside(target, own)
        ideas += self._three_steps(target, own)
        if len({one.tag for one in self._goal.targets}) > 1:
            ideas += self._unions()
        ideas.sort(key=lambda hold: (hold.cost, len(hold.css)))
        yield from ideas

    def _beside(self, target: Element, own: Sequence[Hold]) -> Iterator[Hold]:
        """After a sibling: ``h1 + p``."""
        before = [one for one in target.previous_siblings if isinstance(one, Element) and one.tag not in _UNSEEN][:4]
        for number, sibling in enumerate(before):
            for hold in self._holds(sibling)[:3]:
                for mine in own[:4]:
                    cost = hold.cost + mine.cost * 0.6 + _STEP + 2
                    # After one of its own kind: that is a position.
                    cost += _SAME_KIND if sibling.tag == target.tag and hold.css == sibling.tag else 0
                    if number == 0:
                        yield Hold(f"{hold.css} + {mine.css}", cost)
                    yield Hold(f"{hold.css} ~ {mine.css}", cost + 1)

    def _three_steps(self, target: Element, own: Sequence[Hold]) -> Iterator[Hold]:
        chain = list(ancestors(target, self._home))[:6]
        for number, ancestor in enumerate(chain):
            for higher in chain[number + 1 :]:
                for above in self._holds(ancestor)[:3]:
                    for top in self._holds(higher)[:3]:
                        for hold in own[:3]:
                            cost = top.cost / 2 + above.cost / 2 + hold.cost + 2 * _STEP + 0.25 * number + 1
                            yield Hold(f"{top.css} {above.css} {hold.css}", cost)
        place = position(target)
        if place is None:
            return
        for ancestor in chain:
            for above in self._holds(ancestor)[:3]:
                yield Hold(f"{above.css} {place.css}", above.cost / 2 + place.cost + _STEP)

    def _unions(self) -> Iterator[Hold]:
        """For targets of several kinds (``h1, h2, h3``): the best of each."""
        kinds: dict[str, Element] = {}
        for target in self._goal.targets:
            kinds.setdefault(target.tag, target)
        for number in range(3):
            parts = [ranked[min(number, len(ranked) - 1)] for one in kinds.values() if (ranked := self._holds(one))]
            listed = ", ".join(hold.css for hold in parts)
            yield Hold(f":is({listed})" if self._suffix else listed, max(hold.cost for hold in parts) + _STEP)
        tags = ", ".join(kinds)
        yield Hold(f":is({tags})" if self._suffix else tags, 6.0)

    def _counted(self) -> Iterator[Candidate]:
        """How many there are of what looks the same, where several were pointed at for one value: filled stars."""
        words = {attribute(one, "class") or "" for one in self._goal.targets}
        tags = {one.tag for one in self._goal.targets}
        is_of_one_kind = len(words) == len(tags) == 1 and "'" not in min(words) and min(words)
        if self._goal.many or self._goal.attribute or len(self._goal.targets) < 2 or not is_of_one_kind:
            return
        begin = ".//" if self._goal.each else "//"
        path = f"{begin}{min(tags)}[@class='{min(words)}']"
        found = [one for one in compile_xpath(path).find(self._home, self._page) if isinstance(one, Element)]
        if set(self._goal.targets) <= set(found):
            yield Candidate(
                kind="xpath", selector=f"count({path})", cost=0.0, value=str(len(found)), matches=1,
                matched=tuple(found[:MAX_SHOWN_MATCHES]), filled=len(self._contexts), items=len(self._contexts),
            )  # fmt: skip

    def _of_the_item_itself(self) -> Iterator[Candidate]:
        """The item's own text, or an attribute of it."""
        if self._suffix:
            idea = self._verified("css", Hold("", 1.0))
        else:
            idea = self._verified("xpath", Hold("." if self._goal.each else "/*", 2.0))
        if idea is not None:
            yield idea

    def _by_position(self, target: Element) -> Iterator[Candidate]:
        """Step by step upwards until nothing else is meant."""
        path = position(target)
        end = max(self._deadline, time.thread_time()) + _LAST_SECONDS
        for ancestor in ancestors(target, self._home, levels=64):
            place = position(ancestor)
            for above in filter(None, (*self._holds(ancestor)[:2], place)):
                if path is None or time.thread_time() > end:
                    return
                candidate = self._verified("css", Hold(f"{above.css} > {path.css}", path.cost + above.cost))
                if candidate is not None:
                    yield candidate
                    return
            path = Hold(f"{place.css} > {path.css}", path.cost + place.cost) if path and place else None

    def _verified(self, kind: str, hold: Hold) -> Candidate | None:
        """The selector with what it gives; None where it does not find what was pointed at."""
        selector = hold.css + self._suffix if kind == "css" else hold.css
        at_home: Sequence[Found] | None = None
        if kind == "css" and hold.css:
            # Most ideas end here: they are not even compiled.
            at_home = elements = self._home.select(counted_once(hold.css))
            if not self._is_meant(elements):
                return None
        try:
            engine = compile_css(selector) if kind == "css" else compile_xpath(selector)
            if at_home is None:
                at_home = engine.find(self._home, self._page)
                elements = _elements(at_home, self._home)
            cost = hold.cost + self._price_of_matches(elements)
            if cost > self._best + _FAR_WORSE:
                return None
            value, matches = self._read(kind, selector, elements)
        except (ValueError, Outgrown, ReadingFailed):
            return None
        if value is None or value == [] or not (at_home is elements or self._is_meant_by(at_home, value)):
            return None
        if kind == "css":
            self._best = min(self._best, cost)
        filled, matched = 0, list[Element]()
        for context in self._contexts:
            there = at_home if context == self._home else engine.find(context, self._page)
            filled += bool(there)
            matched += _elements(there[: max(MAX_SHOWN_MATCHES - len(matched), 0)], context)
            if not self._goal.many and len(there) > 1 and context != self._home:
                cost += _FIRST_OF_MANY / len(self._contexts)
        return Candidate(
            kind=kind, selector=selector, cost=cost + GAP * (1 - filled / len(self._contexts)), value=value,
            matches=matches, matched=tuple(matched), filled=filled, items=len(self._contexts),
        )  # fmt: skip

    def _read(self, kind: str, selector: str, elements: Sequence[Element]) -> tuple[Json, int]:
        """The value at home, and how much was found there."""
        if self._goal.wants_elements:
            return " ".join(elements[0].text[:_MAX_TEXT].split())[:_MAX_TEXT] if elements else None, len(elements)
        reading = first_values(TEXT.rule(kind, selector, many=self._goal.many)).read(self._home, self._page)
        return reading.value, reading.matches

    def _is_meant(self, found: Sequence[Element]) -> bool:
        """Whether what was found at home is what was pointed at."""
        if not found:
            return False
        here = [target for target in self._goal.targets if self._homes[target] == self._home]
        if self._goal.many:
            return set(here) <= set(found)
        if self._goal.alone and len(found) > 1:
            places = {one.attr("href") for one in found}
            return here[0] in found and len(places) == 1
        return found[0] == here[0]

    def _is_meant_by(self, found: Sequence[Found], value: Json) -> bool:
        """Where texts or attributes were found, they have to stand in what was pointed at."""
        elements = [one for one in found if isinstance(one, Element)]
        if len(elements) == len(found) and elements:
            return self._is_meant(elements)
        target = self._goal.targets[0]
        text = attribute(target, self._goal.attribute) if self._goal.attribute else self._page.text_of(target)
        first = value[0] if isinstance(value, list) and value else value
        return bool(first) and str(first) in " ".join((text or "").split())

    def _price_of_matches(self, found: Sequence[Element]) -> float:
        if not self._goal.many:
            return _FIRST_OF_MANY if len(found) > 1 and not self._goal.alone else 0.0
        both = len(self._group.intersection(found))
        strangers, missing = len(found) - both, len(self._group) - both
        return _STRANGERS * (strangers / max(len(found), 1) + missing / max(len(self._group), 1))


def _elements(found: Sequence[Found], context: Node) -> list[Element]:
    """Of texts, which are no elements, the item that they stand in."""
    around = [context] if isinstance(context, Element) else []
    return [one for match in found for one in ([match] if isinstance(match, Element) else around)]


def _diverse(found: Iterable[Candidate], most: int) -> list[Candidate]:
    """At most two that differ only in what is written around the same last step, and none that is far worse."""
    kept: list[Candidate] = []
    ends: dict[str, int] = {}
    for candidate in found:
        if len(kept) > 1 and candidate.cost > kept[0].cost + _FAR_WORSE:
            break
        end = candidate.selector.rpartition(" ")[2] if candidate.kind == "css" else candidate.selector
        if ends.get(end, 0) >= 2:
            continue
        ends[end] = ends.get(end, 0) + 1
        kept.append(candidate)
        if len(kept) == most:
            break
    return kept
