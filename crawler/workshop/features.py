"""What of an element a selector may hold on to, and how likely that is to be there tomorrow.

A *hold* is one compound selector (``p.price``, ``[itemprop=name]``) with its cost: the lower, the sturdier. What counts
is taken from ROBULA+ (Leotta, Stocco, Ricca, Tonella, "ROBULA+: an algorithm for generating robust XPath locators for
web testing", 2016: attributes by priority, positions last), the words that are no words from `finder` (A. Medvedev) and
Firefox's inspector; the ranking of machine-readable attributes, utility classes and names made of data is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from turbohtml import Element

MAX_HOLDS = 14
"""Of one element that are tried."""
POSITION = 24
"""What a position among siblings costs: one more paragraph, and it is another one."""
CROWD = 8_000
"""Siblings among which nobody is told by a position."""
UTILITY = 14
"""What a class costs that says how a thing looks, and not what it is."""
STATE = 18
"""What a class costs that says how a thing stands today."""
_MAX_ATTRIBUTES = 40
_CLASS = 3
_PAIR = 1

_TAGS = {
    "h1": 3, "title": 3, "main": 5, "article": 5, "time": 5, "address": 5, "figcaption": 6, "h2": 7, "h3": 8, "h4": 8,
    "nav": 7, "aside": 7, "header": 7, "footer": 7, "figure": 7, "blockquote": 6, "dl": 8, "table": 9, "form": 9,
    "dt": 9, "dd": 9, "th": 9, "td": 10, "tr": 10, "img": 9, "picture": 9, "video": 8, "li": 10, "ol": 9, "ul": 10,
    "section": 10, "a": 11, "b": 11, "strong": 11, "em": 11, "small": 10, "p": 12, "code": 9, "pre": 9, "body": 20,
    "html": 24, "div": 14, "span": 14,
}  # fmt: skip
_OTHER_TAG = 9
"""A tag of one's own (``product-card``) says what it is."""
_STABLE_DATA = re.compile(
    r"data-(?:[a-z]+-)*(?:test(?:id)?|qa|cy|hook|role|type|field|name|component|element|key|marker)\b"
)
_VALUES = {"itemprop": 1, "rel": 2, "property": 2, "name": 3, "data-test": 2, "role": 7, "aria-label": 7, "type": 9}
"""Attributes whose value is a name, and what that costs."""
_PRESENCE = {"datetime": 3, "itemscope": 6, "href": 4, "src": 4}
"""Attributes that say something by being there, added to the tag's cost."""
_IGNORED_RELATIONS = frozenset({"nofollow", "noopener", "noreferrer", "ugc", "sponsored", "external"})

_IDENTIFIER = re.compile(r"-?[A-Za-z_][\w-]*", re.ASCII)
_UTILITY = re.compile(
    r"(?:[mp][trblxyse]?|gap|space|w|h|min|max|col|row|order|offset|text|font|bg|border|rounded|shadow|flex|grid|justify"
    r"|items?|align|self|float|d|z|top|left|right|bottom|inset|opacity|leading|tracking|overflow|object|pull|push|btn"
    r"|sm|md|lg|xl|xs|visible|hidden|display|position|u|l|g|o|fs|fw|lh|rounded|table)-(?:-?[a-z0-9./]+)(?:-[a-z0-9./]+)*"
    r"|row|container(?:-fluid)?|clearfix|flex|grid|block|inline(?:-block)?|relative|absolute|hidden|wrapper|inner|outer"
    r"|left|right|center|bold|italic|small|large|full|btn|button|table|img|image-responsive|lead|mono|muted"
)
_STATE = re.compile(
    r"(?:(?:is|has|js|no|wf|state)-.*|active|current|selected|open|closed?|expanded|collapsed|hover|focus|disabled"
    r"|enabled|visible|invisible|shown?|hide|first|last|odd|even|lazy(?:load(?:ed|ing)?)?|load(?:ed|ing)|new|sale|fade|in"
    r"|animated?|sticky|ng-[\w-]+|v-[\w-]+|filled|checked)"
)
_PREFIX_OF_TOOLS = re.compile(
    r"(?:css|sc|jss|emotion|makeStyles|styled|astro|svelte|tss|chakra|ember|yui|ext-gen|gwt)-?\w*\d"
)
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}", re.IGNORECASE)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Hold(NamedTuple):
    css: str
    cost: float


def holds(element: Element, address: str = "") -> list[Hold]:
    """The compounds that describe `element`, sturdiest first; `address` is the page's URL, whose words are no names."""
    tag = element.tag
    found = dict(_attribute_holds(element, address))
    found.update(_class_holds(element, address))
    if _IDENTIFIER.fullmatch(tag):
        found.setdefault(tag, _TAGS.get(tag, _OTHER_TAG))
    ranked = sorted(found.items(), key=lambda hold: (hold[1], len(hold[0])))
    return [Hold(css, cost) for css, cost in ranked[:MAX_HOLDS]]


def position(element: Element) -> Hold | None:
    """The element's place among its like; None in a crowd, where it says nothing and takes the square to be found."""
    parent = element.parent
    if parent is not None and sum(1 for _ in islice(parent.children, CROWD + 1)) > CROWD:
        return None
    before = sum(1 for one in element.previous_siblings if isinstance(one, Element) and one.tag == element.tag)
    tag = element.tag if _IDENTIFIER.fullmatch(element.tag) else "*"
    if tag == "*":
        before = sum(1 for one in element.previous_siblings if isinstance(one, Element))
        return Hold(f":nth-child({before + 1})", POSITION + 4)
    return Hold(f"{tag}:nth-of-type({before + 1})", POSITION + _TAGS.get(tag, _OTHER_TAG) / 4)


def classes(element: Element) -> list[str]:
    """Those that say what the element is."""
    return [word for word in class_words(element) if (cost := _word_cost(word)) is not None and cost < UTILITY]


def class_words(element: Element) -> list[str]:
    return [word for word in (attribute(element, "class") or "").split() if _IDENTIFIER.fullmatch(word)]


def is_generated(word: str) -> bool:
    """Whether a build tool or a database made the name, as `finder` finds out: too many digits, no vowels, a hash."""
    if len(word) > 40 or _PREFIX_OF_TOOLS.match(word):
        return True
    digits = sum(map(str.isdigit, word))
    if digits and "-" not in word and "_" not in word and sum(map(str.isupper, word)) > 1:
        return True
    if digits > 3 or re.search(r"\d[A-Za-z]+\d|[a-z]\d+[A-Z]|_{1,2}[A-Za-z]*\d\w*$", word):
        return True
    tail = word.rpartition("__")[2] if "__" in word else ""
    if len(tail) >= 5 and re.search(r"[A-Z].*[A-Z]|\d", tail) and not re.fullmatch(r"[a-z]+(?:[A-Z][a-z]{2,})*", tail):
        return True  # css-modules: Card_title__3kD8s
    parts = _PARTS.findall(word)
    letters = [part for part in parts if not part.isdigit()]
    if not letters or _CONSONANTS.search(word):
        return True
    # `bdVaJa`: pieces of one and two letters are no words.
    return len(letters) >= 3 and sum(map(len, letters)) / len(letters) < 2.5


def is_word(text: str) -> bool:
    """Whether the value of an attribute is a name, and not data."""
    return bool(re.fullmatch(r"[A-Za-z][\w .:-]{0,39}", text, re.ASCII)) and not is_generated(text.replace(" ", "-"))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def attribute(element: Element, name: str) -> str | None:
    """The attribute as text: the tree gives lists of words for some."""
    value: object = element.attr(name)
    if value is None or isinstance(value, str):
        return value
    return " ".join(map(str, value)) if isinstance(value, Sequence) else ""


def _word_cost(word: str) -> float | None:
    """None: nobody may rely on it."""
    if is_generated(word):
        return None
    if _UTILITY.fullmatch(word):
        return UTILITY
    if _STATE.fullmatch(word):
        return STATE
    # `isiDul` may be `navBar`, or what a tool made.
    if len(word) <= 7 and re.fullmatch(r"[a-z]+[A-Z][a-zA-Z]*", word):
        return _CLASS + 5
    return _CLASS + (1 if len(word) < 4 else 0) + (1 if len(word) > 24 else 0) + (2 if re.search(r"\d", word) else 0)


def _class_holds(element: Element, address: str) -> Iterator[tuple[str, float]]:
    tag = element.tag if _IDENTIFIER.fullmatch(element.tag) else ""
    costs = [(word, cost) for word in class_words(element)[:12] if (cost := _word_cost(word)) is not None]
    costs = [(word, cost) for word, cost in costs if not _is_of_address(word, address)]
    costs.sort(key=lambda pair: pair[1])
    for word, cost in costs[:6]:
        yield f".{word}", cost
        if tag:
            yield f"{tag}.{word}", cost + 0.5
    for index, (word, cost) in enumerate(costs[:4]):
        for other, more in costs[index + 1 : 4]:
            yield f"{tag}.{word}.{other}", cost + more / 2 + _PAIR
    if tag and len(costs) == 1 and costs[0][1] < UTILITY and len(element.attrs) == 1:
        # Nothing but this class: told apart from those that have more.
        yield f"{tag}[class={quoted(costs[0][0])}]", costs[0][1] + 8


def _attribute_holds(element: Element, address: str) -> Iterator[tuple[str, float]]:
    tag = element.tag if _IDENTIFIER.fullmatch(element.tag) else ""
    cost_of_tag = _TAGS.get(tag, _OTHER_TAG)
    identity = attribute(element, "id") or ""
    if _IDENTIFIER.fullmatch(identity) and not is_generated(identity) and not _is_data(identity, element, address):
        yield f"#{identity}", 2.5 + (3 if re.search(r"\d", identity) else 0)
    for name in islice(element.attrs, _MAX_ATTRIBUTES):
        value = attribute(element, name) or ""
        if name in _PRESENCE and tag:
            yield f"{tag}[{name}]", cost_of_tag + (_PRESENCE[name] if name != "datetime" else 0) - 0.5
        if name == "rel":
            for word in value.split()[:3]:
                if is_word(word) and word not in _IGNORED_RELATIONS:
                    yield f"{tag}[rel~={quoted(word)}]", _VALUES["rel"]
        elif name == "itemprop":
            for word in value.split()[:2]:
                if is_word(word):
                    yield f"[itemprop~={quoted(word)}]" if " " in value else f"[itemprop={quoted(word)}]", 1
        elif name == "property" or (name == "name" and tag in ("meta", "input", "select", "textarea", "button")):
            if len(value) <= 60 and value.isprintable() and value:
                yield f"{tag}[{name}={quoted(value)}]", 2
        elif _STABLE_DATA.fullmatch(name):
            if is_word(value):
                yield f"[{name}={quoted(value)}]", _VALUES["data-test"]
        elif name in _VALUES:
            if is_word(value) and not _is_data(value, element, address):
                yield f"{tag}[{name}={quoted(value)}]", _VALUES[name] + (0 if name == "aria-label" else 1)
        elif name.startswith("data-") and _IDENTIFIER.fullmatch(name) and not is_generated(name[5:]) and tag:
            yield f"{tag}[{name}]", 7


def _is_data(name: str, element: Element, address: str) -> bool:
    """Whether the name repeats what the element says, or the page's address: then it is another on the next page."""
    words = [word for word in re.split(r"[-_ .:]+", name.lower()) if word]
    if _is_of_address(name, address):
        return True
    begin = re.sub(r"[^a-z0-9]+", "-", element.text[:400].lower())
    joined = "-".join(words)
    if len(words) > 1:
        return joined in begin
    return begin.strip("-").startswith(joined) and element.tag in ("h1", "h2", "h3", "h4", "section", "div", "article")


def _is_of_address(name: str, address: str) -> bool:
    """Single words of it may be kinds of things (``product``): two and more are a name."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return "-" in slug and slug in re.sub(r"[^a-z0-9]+", "-", address.lower())
