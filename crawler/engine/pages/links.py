"""The links of a page: found by the follow rules' selectors, normalised, taken by the first rule that wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar, cast

from turbohtml import Element

from crawler.engine.errors import Reason, UrlError
from crawler.engine.scope import LinkRule
from crawler.engine.spider import FollowRule
from crawler.engine.urls import MAX_URL_LENGTH, origin_of, resolve

from .page import PageTree
from .selectors import CssSelector, Found, Selector, compile_css, compile_xpath

_EVERY_LINK_CSS = ("a[href]", "a")
_NOFOLLOW = ':is([rel~="nofollow" i], [rel~="ugc" i], [rel~="sponsored" i])'
_A_NOFOLLOW, _AREA_NOFOLLOW = f"a{_NOFOLLOW}", f"area{_NOFOLLOW}"
_REMEMBERED = 50_000
"""Links and verdicts kept: a site's menus stand on every page."""
_REMEMBERED_LENGTH = 300
"""Characters of such a link, and of its URL: longer ones are no menus, and hostile pages could fill gigabytes."""
_MOST_FOLDERS = 500
_LONG_BASE = 500
"""Characters of a base of links: a longer one makes megabytes of URLs out of a page's few bytes for each."""

Resolved: TypeAlias = "dict[str, str]"
"""Links to URLs; an empty string where the link is no URL to be fetched."""

_SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*"
_PLAIN = re.compile(rf"(/|(?:\.\./)*)((?:{_SEGMENT}/)*(?:{_SEGMENT})?(?:\?[A-Za-z0-9_=&.~-]*)?)", re.ASCII)
"""A link within the site of which nothing is to be encoded or normalised but the steps up at its beginning: most links
are so, and joined here in a tenth of the time."""
_OF_ONE_PAGE = re.compile(r"[? \t\r\n\f]|https?:(?![/\\])", re.IGNORECASE)
"""What may mean something else on another page of the folder."""


@dataclass(slots=True)
class Links:
    """What the follow rules make of a page."""

    taken: dict[str, int]
    """Normalised URL to the rule's number, in the order in which they were found."""
    left: dict[str, int]
    """URLs that a rule's selector found and no rule took, to the last rule that said no."""
    refused: dict[str, int]
    """Strings that are no URL to be fetched, by reason."""
    nofollow: dict[str, int] = field(default_factory=dict)
    """URLs that a rule would have taken, to its number, but every link to them on the page says nofollow."""


class Resolver:
    """Normalised URLs of links, remembered over the pages of a crawl.

    A link that begins with neither ``?`` nor ``#`` means the same on every page of a folder, so that a site's menus
    are resolved once for each of its folders; all but ``https:?page=2``, a scheme without a host. What all links of a
    page mean is then looked up without a step of Python for each.
    """

    def __init__(self) -> None:
        self._folders: dict[str, Resolved] = {}
        self._count = 0

    def resolve(self, base: str, hrefs: Iterable[str], refused: dict[str, int]) -> dict[str, None]:
        """The URLs that `hrefs` mean on a page, each once in their order; `refused` counts the others by reason."""
        if self._count > _REMEMBERED or len(self._folders) > _MOST_FOLDERS:
            self._folders.clear()
            self._count = 0
        path = _folder(base)
        folder = self._folders.get(path)
        if folder is None:
            folder = self._folders[path] = {}
        found = hrefs if isinstance(hrefs, list) else list(hrefs)
        meant: list[str | None] = list(map(folder.get, found))
        if None in meant:
            for place, known in enumerate(meant):
                if known is None:
                    # What stands behind "#" is the reader's affair. Without it the same few links are left on most
                    # pages.
                    href = found[place].partition("#")[0]
                    url = folder.get(href) if href else base
                    meant[place] = self._learn(folder, base, path, href) if url is None else url
        urls = cast("dict[str, None]", dict.fromkeys(meant))
        if "" in urls:
            del urls[""]
            for href in dict.fromkeys(
                href.partition("#")[0] for href, url in zip(found, meant, strict=True) if not url
            ):
                reason = _reason(href, base)
                refused[reason] = refused.get(reason, 0) + 1
        return urls

    def _learn(self, folder: Resolved, base: str, path: str, href: str) -> str:
        """What `href` means, which is not in `folder` yet; put there where it means the same on other pages."""
        url = _resolve(base, path, href)
        if max(len(href), len(url)) <= _REMEMBERED_LENGTH and _OF_ONE_PAGE.match(href) is None:
            self._count += 1
            folder[href] = url
        return url


def _resolve(base: str, path: str, href: str) -> str:
    """An empty string where the link is no URL to be fetched."""
    plain = _PLAIN.fullmatch(href)
    if plain is not None and (plain[1] or (plain[2] and plain[2][0] != "?")) and not path.endswith("//"):
        if plain[1]:
            root = origin_of(path) + "/"
            if plain[1] == "/":
                path = root
            for _ in range(len(plain[1]) // 3):
                if path == root:  # the folder above the root is the root
                    break
                path = path[: path.rfind("/", 0, -1) + 1]
        url = path + plain[2]
        if len(url) <= MAX_URL_LENGTH:
            return url
    try:
        return resolve(href, base)
    except UrlError:
        return ""


def _reason(href: str, base: str) -> Reason:
    try:
        resolve(href, base)
    except UrlError as error:
        return error.reason
    raise AssertionError(href)


def _folder(base: str) -> str:
    path = base.partition("?")[0]
    return path[: path.rindex("/") + 1]


class Page(Protocol):
    @property
    def base(self) -> str:
        """What its links are resolved against."""
        ...

    def spend(self, characters: int) -> None: ...


_Page_contra = TypeVar("_Page_contra", bound=Page, contravariant=True)


class Finder(Protocol[_Page_contra]):
    """Finds the strings on a page that are to be links; `refused` counts what is found and can be none."""

    def __call__(self, page: _Page_contra, refused: dict[str, int]) -> Iterable[str]: ...


class LinkReader(Generic[_Page_contra]):
    """Finds the links that a crawl follows. One for a crawl."""

    def __init__(
        self, rules: Sequence[FollowRule], groups: Iterable[tuple[Finder[_Page_contra], tuple[int, ...]]]
    ) -> None:
        """`groups`: how strings are found for some of the rules, and the numbers of these."""
        self.rules = tuple(map(LinkRule, rules))
        self._groups = tuple(groups)
        self._resolver = Resolver()
        self._verdicts: dict[tuple[int, str], int] = {}

    def read(self, page: _Page_contra) -> Links:
        """Every link of the page, once: rule by rule, in document order where rules share a selector.

        Raises `ReadingFailed`.
        """
        links = Links({}, {}, {})
        for number, (find, members) in enumerate(self._groups):
            hrefs = find(page, links.refused)
            if len(page.base) > _LONG_BASE:
                hrefs = list(hrefs)
                page.spend(len(page.base) * len(hrefs))
            urls = self._resolver.resolve(page.base, hrefs, links.refused)
            if not links.taken and self.rules[members[0]].takes_all:
                links.taken = dict.fromkeys(urls, members[0])
                continue
            for url in urls:
                if url in links.taken:
                    continue
                verdict = self._verdict(number, members, url)
                if verdict >= 0:
                    links.taken[url] = verdict
                else:
                    links.left[url] = members[-1]
        if links.left:
            links.left = {url: number for url, number in links.left.items() if url not in links.taken}
        return links

    def leave_nofollow(self, page: PageTree, links: Links) -> None:
        """Take out of `links` what only links with ``rel=nofollow`` (``ugc``, ``sponsored``) lead to.

        Where the same page stands behind an ordinary link too, that one is followed.
        """
        document = page.document
        # Tag by tag: the tree has an index of tags, and walks through all of itself for a list of selectors.
        marked = document.select(_A_NOFOLLOW) if links.taken else []
        if links.taken and document.find("area") is not None:
            marked += document.select(_AREA_NOFOLLOW)
        if not marked:
            return
        ignored: dict[str, int] = {}
        suspects = (
            self._resolver.resolve(page.base, _encoded(page, _attributes(marked)), ignored).keys() & links.taken.keys()
        )
        if not suspects:
            return
        others = set(document.select("a[href], area[href]")).difference(marked)
        endorsed = self._resolver.resolve(page.base, _encoded(page, _attributes(others)), ignored)
        for url in [url for url in links.taken if url in suspects and url not in endorsed]:
            links.nofollow[url] = links.taken.pop(url)

    def _verdict(self, group: int, members: Sequence[int], url: str) -> int:
        """The number of the first rule of the group that takes `url`, or -1."""
        known = self._verdicts.get((group, url))
        if known is not None:
            return known
        verdict = next((number for number in members if self.rules[number].objection(url) is None), -1)
        if len(url) <= _REMEMBERED_LENGTH:
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[group, url] = verdict
        return verdict


def html_links(rules: Sequence[FollowRule]) -> LinkReader[PageTree]:
    """The links of HTML and XML pages."""
    return LinkReader(rules, _group(rules))


def reads_feeds(rules: Sequence[FollowRule]) -> bool:
    """Whether a rule looks everywhere: such rules take the entries' links of a feed."""
    return any(rule.json is None and _selector(rule) is None for rule in rules)


def _group(rules: Sequence[FollowRule]) -> Iterator[tuple[Finder[PageTree], tuple[int, ...]]]:
    """Neighbouring rules with one selector, so that a page is searched once for them."""
    pending: list[int] = []
    for number, rule in enumerate(rules):
        if rule.json is not None:
            continue
        if pending and (rule.css, rule.xpath) != (rules[pending[-1]].css, rules[pending[-1]].xpath):
            yield _finder(rules[pending[-1]]), tuple(pending)
            pending = []
        pending.append(number)
    if pending:
        yield _finder(rules[pending[-1]]), tuple(pending)


def _finder(rule: FollowRule) -> Finder[PageTree]:
    selector = _selector(rule)
    if selector is None:
        return _every_link

    def find(page: PageTree, refused: dict[str, int]) -> Iterable[str]:
        matches = selector.find(page.document, page)
        page.check_links(len(matches))
        return _encoded(page, _strings(selector, matches, page))

    return find


def _encoded(page: PageTree, hrefs: Iterable[str]) -> Iterable[str]:
    return map(page.encoded, hrefs) if page.query_encoding else hrefs


def _selector(rule: FollowRule) -> Selector | None:
    """None: every ``a[href]``, which are read out of the tree's index of tags."""
    if rule.css is not None:
        return None if rule.css.strip() in _EVERY_LINK_CSS else compile_css(rule.css)
    return None if rule.xpath is None else compile_xpath(rule.xpath)


def _every_link(page: PageTree, refused: dict[str, int]) -> Iterable[str]:
    if page.entries is not None:
        page.check_links(len(page.entries))
        return page.entries
    anchors = page.document.find_all("a")
    page.check_links(len(anchors))
    return _encoded(page, [href for anchor in anchors if (href := anchor.attr("href")) is not None])


def _attributes(elements: Iterable[Element]) -> Iterator[str]:
    for element in elements:
        href = element.attr("href")
        if href is not None:
            yield href


def _strings(selector: Selector, matches: Sequence[Found], page: PageTree) -> Iterator[str]:
    wants_element = not isinstance(selector, CssSelector) or selector.is_plain
    for match in matches:
        href_of = match.attr if wants_element and isinstance(match, Element) else None
        value = selector.read(match, page) if href_of is None else href_of("href")
        if value is not None:
            yield value
