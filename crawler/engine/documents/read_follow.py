"""The part of a spider's document that says which links are followed."""

from __future__ import annotations

from dataclasses import fields

from crawler.engine.errors import UrlError
from crawler.engine.pages.jmes import Expression
from crawler.engine.pages.patterns import Pattern
from crawler.engine.pages.selectors import compile_css, compile_xpath
from crawler.engine.spider import FollowRule
from crawler.engine.urls import resolve

from .document import Section, shown

FOLLOW_KEYS = tuple(field.name for field in fields(FollowRule))
_SOURCES = {"css": compile_css, "xpath": compile_xpath, "json": Expression}


def read_follow(rule: Section) -> FollowRule:
    rule.allow(FOLLOW_KEYS)
    given = {key: text for key in _SOURCES if (text := rule.text(key)) is not None}
    if len(given) > 1:
        rule.problems.error(rule.place, f"has both {' and '.join(given)}; keep one")
    for key, text in given.items():
        try:
            _SOURCES[key](text)
        except ValueError as error:
            rule.error(key, f"{shown(text)}: {error}")
    return FollowRule(
        css=given.get("css"),
        xpath=given.get("xpath"),
        json=given.get("json"),
        template=_read_template(rule, "json" in given),
        allow=_read_patterns(rule, "allow"),
        deny=_read_patterns(rule, "deny"),
    )


def _read_template(rule: Section, has_json: bool) -> str | None:
    template = rule.text("template")
    if template is None:
        return None
    if not has_json:
        rule.error("template", "belongs to json, whose values it makes URLs of; leave it out")
    if template.count("{}") != 1:
        rule.error("template", f'{shown(template)} must hold {{}} once, for the value: "/api/list?page={{}}"')
        return template
    try:
        resolve(template.replace("{}", "1"), "http://localhost/")
    except UrlError as error:
        rule.error("template", str(error))
    return template


def _read_patterns(rule: Section, key: str) -> tuple[str, ...]:
    expressions = rule.texts(key)
    for index, expression in enumerate(expressions):
        try:
            Pattern(expression)
        except ValueError as error:
            rule.error(f"{key}[{index}]", f"{shown(expression)}: {error}")
    return expressions
