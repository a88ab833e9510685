"""The part of a spider's document that says which links are followed."""

from __future__ import annotations

from dataclasses import fields

from crawler.engine.errors import UrlError
from crawler.engine.messages import listed, reason_of, said
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
        rule.problems.error(rule.place, said("has both {keys}; keep one", keys=listed(given)))
    for key, text in given.items():
        try:
            _SOURCES[key](text)
        except ValueError as error:
            rule.error(key, said("{value}: {reason}", value=shown(text), reason=reason_of(error)))
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
        rule.error("template", said("belongs to json, whose values it makes URLs of; leave it out"))
    if template.count("{}") != 1:
        rule.error(
            "template",
            said('{template} must hold {{}} once, for the value: "/api/list?page={{}}"', template=shown(template)),
        )
        return template
    try:
        resolve(template.replace("{}", "1"), "http://localhost/")
    except UrlError as error:
        rule.error("template", reason_of(error))
    return template


def _read_patterns(rule: Section, key: str) -> tuple[str, ...]:
    expressions = rule.texts(key)
    for index, expression in enumerate(expressions):
        try:
            Pattern(expression)
        except ValueError as error:
            rule.error(f"{key}[{index}]", said("{value}: {reason}", value=shown(expression), reason=reason_of(error)))
    return expressions
