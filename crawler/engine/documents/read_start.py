"""The start pages of a spider's document: URLs, and requests with a method and a body."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from crawler.engine.errors import UrlError
from crawler.engine.fetching.requests import Post, form_secrets
from crawler.engine.messages import reason_of, said
from crawler.engine.spider import FormValue, SecretRef, SpiderDefinition, StartPost
from crawler.engine.urls import normalise

from .document import Problems, Section, as_section, checked_text, shown
from .read_session import read_reference

MAX_BODY = 1_000_000
"""Bytes of a body: it stands in every version of the document."""
MAX_LEVELS = 50

_KEYS = ("url", "method", "form", "json")
_CREDENTIALS = frozenset({"password", "passwd", "passwort", "pass", "pwd", "pin", "token", "secret"})
"""Fields whose values are secrets more often than not."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_start_pages(spider: Section) -> tuple[tuple[str, ...], tuple[StartPost, ...]]:
    """The start pages that are asked for by GET, and those by POST, each once."""
    urls: dict[str, None] = {}
    posts: dict[int, StartPost] = {}
    before = len(spider.problems.errors)
    for place, value in spider.entries("start_urls"):
        read = _read_request(as_section(value, place, spider.problems)) if isinstance(value, Mapping) else None
        if isinstance(read, StartPost):
            posts[Post.of(read).hash_at(read.url)] = read
            continue
        url = read if isinstance(value, Mapping) else _read_url(value, place, spider.problems)
        if url is not None:
            urls[url] = None
    if not urls and not posts and len(spider.problems.errors) == before:
        spider.error("start_urls", said("is missing; give at least one URL to begin with"))
    return tuple(urls), tuple(posts.values())


def warn_of_shared_keys(definition: SpiderDefinition, problems: Problems) -> None:
    """Pages of one URL have one default key: the items of all but one of them would be conflicts."""
    shared = [url for url, count in Counter(definition.start_pages).items() if count > 1]
    if not shared:
        return
    for index, rule in enumerate(definition.items):
        if not rule.key:
            problems.warn(
                f"items[{index}].key",
                said(
                    "several start pages have the URL {url}, which is the key of their items; give a key",
                    url=shown(shared[0]),
                ),
            )


def _read_url(value: object, place: str, problems: Problems) -> str | None:
    text = checked_text(value, place, problems)
    if text is None:
        return None
    try:
        return normalise(text)
    except UrlError as error:
        problems.error(place, reason_of(error))
        return None


def _read_request(entry: Section) -> StartPost | str | None:
    """A POST, or the URL of what is a plain GET after all."""
    entry.allow(_KEYS)
    before = len(entry.problems.errors)
    given = entry.document.get("url")
    if given is None:
        entry.error("url", said("is missing; a start page needs a URL"))
    url = None if given is None else _read_url(given, entry.at("url"), entry.problems)
    has_form, has_json = (entry.document.get(key) is not None for key in ("form", "json"))
    method = entry.document.get("method")
    if method not in (None, "GET", "POST"):
        entry.error(
            "method", said("{method} is not a method for a start page; write GET or POST", method=shown(method))
        )
    if has_form and has_json:
        entry.problems.error(entry.place, said("has both form and json; a request has one body"))
    if method == "GET" and (has_form or has_json):
        entry.error("method", said("a GET has no body; put the values into the URL, or write POST"))
    form = _read_form(entry.section("form")) if has_form else None
    body = entry.document.get("json")
    if has_json and not _is_json(body):
        entry.error("json", said("cannot be sent: finite numbers, valid text, at most {most} levels", most=MAX_LEVELS))
    if url is None or len(entry.problems.errors) > before:
        return None
    if not (has_form or has_json or method == "POST"):
        return url
    post = StartPost(url=url, form=form, json=body)
    if url.startswith("http://") and form_secrets(post):
        entry.problems.warn(entry.at("url"), said("is http: the secret can be read on the way; write https if it can"))
    if len(Post.of(post).content) > MAX_BODY:
        entry.problems.error(entry.place, said("has a body of more than {most} bytes", most=f"{MAX_BODY:,}"))
        return None
    return post


def _read_form(form: Section) -> dict[str, FormValue]:
    found: dict[str, FormValue] = {}
    for name, value in form.document.items():
        if not isinstance(name, str) or not _is_text(name):
            form.error(str(name), said("{name} is not the name of a form's field", name=shown(name)))
            continue
        if not isinstance(value, list | tuple):
            read = _read_value(value, form.at(name), form.problems)
            found[name] = "" if read is None else read
            if isinstance(read, str) and name.lower() in _CREDENTIALS:
                form.problems.warn(form.at(name), said("is stored where people can read it; write {{secret: name}}"))
            continue
        each = (_read_value(one, f"{form.at(name)}[{index}]", form.problems) for index, one in enumerate(value))
        found[name] = tuple(one for one in each if one is not None)
    return found


def _read_value(value: object, place: str, problems: Problems) -> str | SecretRef | None:
    if isinstance(value, Mapping):
        return read_reference(value, place, problems)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        problems.error(
            place, said("{value} is neither a text nor a number; a form sends text: quote it", value=shown(value))
        )
        return None
    if not _is_text(str(value)):
        problems.error(place, said("{value} holds a NUL or half a surrogate pair; take it out", value=shown(value)))
        return None
    return str(value)


def _is_text(text: str) -> bool:
    return "\0" not in text and not _SURROGATE.search(text)


def _is_json(value: object, level: int = 0) -> bool:
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor NaN
    if value is None or isinstance(value, int):
        return True
    if level >= MAX_LEVELS:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_text(key) and _is_json(each, level + 1) for key, each in value.items())
    return isinstance(value, list | tuple) and all(_is_json(each, level + 1) for each in value)
