"""Every page of the admin, found by its links, in a real browser: for everybody, in both languages, and for each role.

On each: the answer is a page, the console and the policy are silent, axe finds nothing, nothing is wider than the
screen, and no word of the other language is left.
"""

from __future__ import annotations

import platform
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from itertools import product as combined
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page

from tests.servers.serving import serve_in_thread
from tests.servers.sites import SiteServer

from .browser import DESK, PASSWORD, PHONE, barriers, browsing
from .product import Product
from .web import site_of

pytestmark = [pytest.mark.process, pytest.mark.browser, pytest.mark.any_database]

SITE = {
    "/": '<h1>Lamps</h1><a href="/one">one</a> <a href="/two">two</a> <a href="/gone">gone</a>',
    "/one": '<h1>One</h1><p class="price">1.50</p>',
    "/two": '<h1>Two</h1><p class="price">dear</p>',
}
SPIDER = {
    "name": "lamps",
    "follow": [{"css": "a[href]"}],
    "items": [
        {
            "type": "lamp",
            "match": "/(one|two)$",
            "key": ["name"],
            "fields": {"name": {"css": "h1::text", "required": True}, "price": {"css": ".price", "type": "decimal"}},
        }
    ],
}
JOBS = [
    {
        "job_id": "lamps-nightly",
        "handler": "crawl",
        "job_data": {"type": "spider", "target": "lamps"},
        "trigger": {"type": "cron", "cron": "0 2 * * *"},
    },
    {
        "job_id": "lamps-often",
        "handler": "crawl",
        "job_data": {"type": "spider", "target": "lamps"},
        "trigger": {"type": "interval", "seconds": 3600},
    },
]
ROLES = ("Viewer", "Operator", "Editor")
LEFT_ALONE = re.compile(r"/(logout|jsi18n|password_change|export|download)/|\.(css|js|svg|txt|json|atom|yaml)$")
DATA = "code, pre, textarea, input, option, script, .ll-mono, [lang=en], .ll-log"
"""Where what others wrote, or what is the same in every language, stands."""
RUNS_OF_LATIN = re.compile(r"[A-Za-z0-9_.:/@…*\[\]'-]+")
WORD = re.compile(r"[A-Za-z]{2,}(?:-[A-Za-z]+)*")
"""What is no address, no version, no name of a file, no key of a document: those have digits, dots, colons."""
CODE = re.compile(r"\{.*?\}|\S+\*{3,}")
"""What stands in braces, and the beginnings of what is kept hidden."""
NAMES = frozenset(
    re.split(
        r"\s+",
        "Lamplighter Django APScheduler API Atom Cookie CPU Cron CSS CSV ETag Feed HTML HTTP HTTPS ID IP JSON JSONL KB"
        " Last-Modified MB GB OK OpenGraph http pid txt POST PostgreSQL REST SQLite URL UTC XML XPath YAML"
        " nofollow noindex"
        # keys of documents, in texts that tell what to write
        " all category end follow required start title urls"
        # what comes with the product, and what this test makes
        " nightly-retention weekly-report crawl maintenance report lamp lamps lamps-nightly lamps-often"
        " One Two Price dear ada viewer operator editor Viewer Operator Editor name price text decimal",
    )
)
"""What is called the same in every language."""

Way = tuple[str, str, Mapping[str, int]]
"""A language, a colour scheme, a size of the screen."""
EVERY_WAY: list[Way] = list(combined(("en", "zh-hans"), ("light", "dark"), (DESK, PHONE)))


def shape(address: str) -> str:
    """Pages of one kind have one: `/admin/crawler/spider/N/change/`."""
    return re.sub(r"/(\d+|[0-9a-f-]{30,})(?=/)", "/N", urlsplit(address).path)


def found_pages(page: Page, start: str, ways: Sequence[Way]) -> Iterator[tuple[str, Way]]:
    """The address of the first page of each kind that links lead to, as each is opened: in one way after the other."""
    waiting, known, turns = deque([start]), {shape(start)}, cycle(ways)
    while waiting:
        address, way = waiting.popleft(), next(turns)
        look(page, address, way)
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        yield address, way
        hrefs: list[str] = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.href)")
        for href in hrefs:
            other = urljoin(page.url, href)
            is_ours = urlsplit(other).netloc == urlsplit(page.url).netloc and urlsplit(other).path.startswith("/admin/")
            if is_ours and not LEFT_ALONE.search(urlsplit(other).path) and shape(other) not in known:
                known.add(shape(other))
                waiting.append(other.partition("#")[0])


def flaws(page: Page) -> list[str]:
    """Of the page as it stands: what axe finds, what is too wide, and, on a Chinese page, English."""
    found = barriers(page)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        found.append(f"{wider} px too wide")
    if page.get_attribute("html", "lang") != "en":
        found += [f"English: {text}" for text in english(page)]
    return found


def english(page: Page) -> list[str]:
    """Texts with English words. What may be broken between its parts is an address or an id, whole."""
    texts: list[str] = page.evaluate(
        """data => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
            while (walker.nextNode()) {
                const { parentElement, previousSibling, nextSibling, textContent } = walker.currentNode;
                const isPart = [previousSibling, nextSibling].some((other) => other && other.nodeName === 'WBR');
                if (!isPart && !parentElement.closest(data)) texts.push(textContent.trim());
            }
            return texts;
        }""",
        DATA,
    )
    own = NAMES | {platform.node()}
    return [text[:100] for text in texts if any(word not in own for word in words_of(text))]


def words_of(text: str) -> Iterator[str]:
    """Words in Latin letters, single ones too."""
    for run in RUNS_OF_LATIN.findall(CODE.sub("", text)):
        if WORD.fullmatch(word := run.strip(".:'…")):
            yield word


def log_in(page: Page, name: str) -> None:
    page.context.clear_cookies()
    page.goto("/admin/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")


def look(page: Page, address: str, way: Way) -> None:
    """From now on in this language, scheme and size."""
    language, scheme, size = way
    parts = urlsplit(address)
    page.context.add_cookies(
        [{"name": "django_language", "value": language, "url": f"{parts.scheme}://{parts.netloc}"}]
    )
    show(page, scheme, size)


def show(page: Page, scheme: str, size: Mapping[str, int]) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # a literal
    page.set_viewport_size(size)  # type: ignore[arg-type]  # the same keys


@contextmanager
def furnished(product: Product) -> Iterator[str]:
    """The address of a site that has been at work: items, one of them incomplete, a page that failed, each role."""
    shop = SiteServer(product.folder / "shop")
    for target, body in SITE.items():
        shop.replace(target, body.encode())
    product.environment["CRAWLER_ALLOWED_NETWORKS"] = "127.0.0.0/8"
    with serve_in_thread(shop) as address:
        product.load(spiders=[SPIDER | {"start_urls": [address]}], jobs=JOBS)
        for _time in range(2):
            product.manage("crawl", "lamps")
        product.create_superuser()
        for role in ROLES:
            product.create_superuser(role.lower(), PASSWORD)
            product.sql("UPDATE auth_user SET is_superuser = ? WHERE username = ?", [False, role.lower()])
            product.sql(
                "INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, auth_group g "
                "WHERE u.username = ? AND g.name = ?",
                [role.lower(), role],
            )
        with site_of(product) as base_url:
            yield base_url


def test_every_page_is_for_everybody(product: Product) -> None:
    """Each page once, in English on a desk by day and in Chinese on a phone by night in turn.

    The soak looks at each page in all eight ways, for each role.
    """
    with furnished(product) as base_url, browsing(base_url) as page:
        log_in(page, "ada")
        found, count = [], 0
        for address, way in found_pages(page, f"{base_url}/admin/", [EVERY_WAY[0], EVERY_WAY[-1]]):
            found += [f"{place(address, way)}: {flaw}" for flaw in flaws(page)]
            count += 1
        assert count > 40
        assert not found, "\n".join(found)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["ada", *map(str.lower, ROLES)])
def test_every_page_is_for_everybody_in_every_way_and_role(product: Product, name: str) -> None:
    with furnished(product) as base_url, browsing(base_url) as page:
        log_in(page, name)
        addresses = [address for address, _way in found_pages(page, f"{base_url}/admin/", EVERY_WAY[:1])]
        found = []
        for way in EVERY_WAY:
            for address in addresses:
                look(page, address, way)
                page.goto(address)
                found += [f"{place(address, way)}: {flaw}" for flaw in flaws(page)]
        assert not found, "\n".join(found)


def place(address: str, way: Way) -> str:
    language, scheme, size = way
    return f"{urlsplit(address).path} {language} {scheme} {size['width']} px"
