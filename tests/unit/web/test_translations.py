"""Every text that people see is there in Chinese, and what is committed is what is read.

After a text has changed: `make messages` (needs gettext), translate what is new, `make messages` again.
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "crawlproject" / "locale" / "zh_Hans" / "LC_MESSAGES"
PACKAGES = ("crawlproject", "scheduling", "crawler")
CALLS = ("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "said")
PLACE = re.compile(r"%(?:\(\w+\))?[-\d.]*[a-zA-Z%]")
IN_TEMPLATES = re.compile(r"""\b(?:n?gettext|_)\(\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")

Entry = dict[str, str]


def read_po() -> list[Entry]:
    """The catalogue's entries: `msgid`, `msgid_plural`, `msgstr` or `msgstr[0]`, and `flags`."""
    entries: list[Entry] = []
    for block in (FOLDER / "django.po").read_text(encoding="utf-8").split("\n\n"):
        entry: Entry = {"flags": ""}
        key = ""
        for line in block.splitlines():
            if line.startswith("#"):
                entry["flags"] += line
                continue
            head, quote, rest = line.partition('"')
            key = head.strip() or key
            entry[key] = entry.get(key, "") + str(ast.literal_eval(quote + rest))
        if entry.get("msgid"):
            entries.append(entry)
    return entries


def translation(entry: Entry) -> str:
    return entry.get("msgstr") or entry.get("msgstr[0]", "")


def texts_of_code() -> Iterator[tuple[str, str]]:
    """(where, text) of each literal that is handed to gettext."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", first.value


def texts_of_templates() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("templates/**/*.html")):
            for quoted in IN_TEMPLATES.findall(templatize(path.read_text(encoding="utf-8"), origin=str(path))):
                yield str(path.relative_to(ROOT)), str(ast.literal_eval(quoted))


def names_of_gettext() -> Iterator[tuple[str, str]]:
    """(where, name) of each function of gettext that is imported."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
                    for name in node.names:
                        if "gettext" in name.name:
                            yield f"{path.relative_to(ROOT)}:{node.lineno}", name.asname or name.name


ENTRIES = read_po()


def test_the_catalogue_is_read() -> None:
    assert len(ENTRIES) > 400
    assert len(list(texts_of_code())) > 400
    assert len(list(texts_of_templates())) > 40


def test_gettext_has_no_name_under_which_its_texts_are_not_found() -> None:
    names = list(names_of_gettext())
    assert len(names) > 50
    assert [(where, name) for where, name in names if name not in CALLS] == []


@pytest.mark.parametrize("texts", [texts_of_code, texts_of_templates], ids=["code", "templates"])
def test_every_text_is_in_the_catalogue(texts: object) -> None:
    assert callable(texts)
    known = {entry["msgid"] for entry in ENTRIES}
    missing = [f"{where}: {text!r}" for where, text in texts() if text and text not in known]
    assert missing == []


def test_every_text_is_translated_and_none_is_guessed() -> None:
    untranslated = [entry["msgid"] for entry in ENTRIES if not translation(entry)]
    fuzzy = [entry["msgid"] for entry in ENTRIES if "fuzzy" in entry["flags"]]
    assert (untranslated, fuzzy) == ([], [])


def test_a_translation_has_the_places_of_its_text() -> None:
    """A place that is missing or misspelt would raise, or hide what it names."""
    for entry in ENTRIES:
        if "format" not in entry["flags"]:
            continue
        places = sorted(PLACE.findall(entry.get("msgid_plural") or entry["msgid"]))
        assert sorted(PLACE.findall(translation(entry))) == places, entry["msgid"]


def test_the_compiled_catalogue_is_in_step() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for entry in ENTRIES:
        found = (
            compiled.ngettext(entry["msgid"], entry["msgid_plural"], 2)
            if "msgid_plural" in entry
            else compiled.gettext(entry["msgid"])
        )
        assert found == translation(entry)


def test_the_guides_name_the_pickers_parts_as_its_page_does() -> None:
    told = {entry["msgid"]: translation(entry) for entry in ENTRIES}
    folder = ROOT / "crawler" / "templates" / "admin" / "crawler" / "spider"
    page = "".join(path.read_text(encoding="utf-8") for path in folder.glob("pick*.html"))
    for guide, is_chinese in (("guide.md", False), ("guide.zh-CN.md", True)):
        text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
        step = next(line for line in text.splitlines() if line.startswith("3. "))
        named = re.findall(r"\*\*(.+?)\*\*", step)
        words = [word for _where, word in texts_of_templates() if word in page]
        shown = {told[word] for word in words if word in told} if is_chinese else set(words)
        assert len(named) > 5
        assert set(named) - shown == set(), guide
