"""Messages about a document in the reader's language: none is left out, and English stays as the engine says it."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import QueryDict
from django.utils import translation

from crawler.engine.messages import Message, Quoted, all_quoted, listed, printable, said
from crawler.workshop import wording
from crawler.workshop.draft import Draft
from crawler.workshop.wording import told

ROOT = Path(__file__).resolve().parents[3]
RAISERS = (
    *("crawler/definitions/reading.py", "crawler/definitions/composing.py", "crawler/definitions/scalars.py"),
    *("crawler/engine/manners/hours.py", "crawler/engine/fetching/proxy.py"),
    *("crawler/engine/urls.py", "crawler/engine/pages/jmes.py", "crawler/engine/pages/meta.py"),
)
"""Whose errors become parts of such messages."""
ERRORS = {"ValueError", "UrlError", "ProxyError", "Problem", "DefinitionProblem"}
NOTING = {"error", "warn", "_complain", "_stop"}


def calls(*roots: str) -> Iterator[tuple[str, ast.Call]]:
    for root in roots:
        path = ROOT / root
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_every_template_stands_where_translators_find_it() -> None:
    """In the call itself: `makemessages` looks for these; that all are translated, `test_translations` sees."""
    templates = [(place, call.args[0]) for place, call in calls("crawler") if name_of(call) == "said"]
    assert len(templates) > 150
    assert [place for place, template in templates if not isinstance(template, ast.Constant)] == []


def test_no_problem_of_a_document_is_said_in_plain_text() -> None:
    plain = [
        f"{place}: {ast.unparse(argument)}"
        for place, call in calls("crawler/engine/documents", *RAISERS)
        if name_of(call) in ERRORS | NOTING
        for argument in (*call.args[-1:], *(word.value for word in call.keywords if word.arg == "message"))
        if isinstance(argument, ast.JoinedStr)
        or (isinstance(argument, ast.Constant) and isinstance(argument.value, str) and " " in argument.value)
    ]
    assert plain == []


def test_a_message_is_its_english_text_and_remembers_what_it_was_made_of() -> None:
    message = said('unknown key "{key}"; did you mean "{near}"?', key="typ", near="type")
    assert message == 'unknown key "typ"; did you mean "type"?'
    for other in (pickle.loads(pickle.dumps(message)), copy.deepcopy(message)):
        assert isinstance(other, Message)
        assert (other, other.template, other.values) == (message, message.template, message.values)
    assert pickle.loads(pickle.dumps(Quoted("a"))).inner == "a"
    assert listed(["a", "b", "c"]) == "a and b and c"
    assert (all_quoted("abc"), told(all_quoted("abc")), told(all_quoted("a"))) == (
        '"a", "b", "c"',
        "“a”, “b”, “c”",
        "“a”",
    )


def test_half_a_surrogate_pair_in_a_value_can_be_printed_and_translated() -> None:
    message = printable(said('unknown key "{key}"; did you mean "{near}"?', key="\ud800", near="type"))
    message.encode()
    assert told(message) == "unknown key “\\ud800”; did you mean “type”?"


def test_a_message_is_told_by_its_translated_template(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = {
        '"{name}" is not known. Did you mean "{nearest}"?': "不认识“{name}”。是否想写“{nearest}”？",
        "{first} and {second}": "{first} 和 {second}",
        "has {keys}; keep one": "同时有 {keys}；只保留一个",
        "“(” is not closed; write “)” after it, or “\\(” for the character": "“(”没有闭合",
    }
    monkeypatch.setattr(wording, "gettext", lambda text: catalogue.get(text, text))
    fields = "{a: {css: 'h1::txt'}, b: {css: a, xpath: //a}, c: {css: a, regex: '('}}"
    draft = Draft.of_text(f"name: a\nstart_urls: [https://a.example/]\nitems: [{{type: t, fields: {fields}}}]")
    assert {problem.place: told(problem.message) for problem in draft.problems} == {
        "items[0].fields.a.css": "“h1::txt”: 不认识“::txt”。是否想写“::text”？",
        "items[0].fields.b": "同时有 css 和 xpath；只保留一个",
        "items[0].fields.c.regex": "“(”: “(”没有闭合",
    }
    assert [problem.message for problem in draft.problems] == [
        '"h1::txt": "::txt" is not known. Did you mean "::text"?', "has css and xpath; keep one", '"(": missing ): (',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("regex: 'a**'", "“**” repeats a repetition"),
        ("regex: '['", "“[” is not closed"),
        ("regex: ')'", "“)” closes nothing"),
        ("regex: '\\q'", "“\\q” means nothing"),
        ("regex: '{x'", ""),
        ("regex: 'a{1001}'", "“{1001}” is no number of times; write “{2,5}”"),
        ("css: 'a['", "at character 3, a name is missing"),
        ("css: 'a,,b'", "at character 3, a selector is missing"),
        ("css: 'a:foo'", "the pseudo-class before character 6"),
        ("xpath: '//a['", "at the end, the name of an element"),
        ("xpath: 'count()'", "“count()” wants another number of arguments: 1, not 0"),
        ("xpath: 'a b'", "what begins at character 3"),
        ("json: 'a['", "it ends too early"),
    ],
)
def test_what_a_library_says_is_told_with_a_remedy(document: str, says: str) -> None:
    draft = Draft.of_text(
        f"name: a\nstart_urls: [https://a.example/]\nitems: [{{type: t, fields: {{x: {{{document}}}}}}}]"
    )
    assert says in "\n".join(told(problem.message) for problem in draft.problems)


@pytest.mark.parametrize(
    "text", ["a: b: c", "a: [b", "a: {b", "a:\n  - b\n c: d", "a: 'b", 'a: "\\d"', "a: @b", "a:\n\t- b"]
)
def test_what_is_no_yaml_is_told_by_the_line_with_a_remedy(text: str) -> None:
    [problem] = Draft.of_text(text).problems
    with translation.override("en"):
        assert re.match(r"line \d: not YAML: (?!while|found|did not|mapping)", told(problem.message))


def test_what_is_wrong_in_a_box_of_yaml_is_told_as_in_the_text() -> None:
    data = QueryDict(mutable=True)
    data.update({"_view": "form", "w-name": "a", "w-start_urls": "https://a.example/", "w-more": "a: b\nb: [c"})
    [problem] = Draft.of_post(data).problems
    with translation.override("en"):
        assert told(problem.message) == "line 3: not YAML: “[” is not closed, or a comma is missing"
