"""Our style sheets, as browsers of some years ago read them too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "crawlproject" / "static" / "lamplighter"
SHEETS = sorted(FOLDER.glob("*.css"))
VALUE = r"(?:[^()]|\([^()]*\))+"
PAIR = re.compile(rf"var\(--by-day,{VALUE}\) var\(--by-night,{VALUE}\)")


def rules_of(sheet: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("sheet", SHEETS, ids=[sheet.name for sheet in SHEETS])
def test_a_colour_of_day_and_night_is_one_that_every_browser_knows(sheet: Path) -> None:
    rules = rules_of(sheet)
    assert "light-dark(" not in rules  # only browsers since 2024 know it
    pairs = len(PAIR.findall(rules))
    assert pairs == rules.count("var(--by-day") == rules.count("var(--by-night")
    assert pairs > 10


def test_each_scheme_gives_colours_of_day_or_of_night_and_never_both() -> None:
    rules = rules_of(FOLDER / "lamplighter.css")
    switches = re.findall(r"color-scheme: (\w+);\s*--by-day: (\w*) ?;\s*--by-night: (\w*) ?;", rules)
    assert set(switches) == {("light", "initial", ""), ("dark", "", "initial")}
    assert len(switches) == 4


def test_what_stands_in_forms_of_accounts_is_seen() -> None:
    """What is left out of the page of a new password is its row without a field, and no other."""
    rules = rules_of(FOLDER / "pages.css")
    [hidden] = re.findall(r"#user_form \.form-row([^,{]*)[,{]", rules)
    assert hidden.strip() == ":not([class*=field-])"


def test_what_is_printed_is_as_by_day_without_what_only_a_screen_has_use_for() -> None:
    rules = rules_of(FOLDER / "lamplighter.css")
    printed = rules[rules.index("@media print") :]
    for nothing_on_paper in ("#header", ".ll-btn", ".object-tools", "[role=search]", ".action-checkbox"):
        assert nothing_on_paper in printed
    # The other sheet comes later: without a mark its rules for what scrolls would hold on paper too, and cut it.
    assert re.search(r"\.ll-follow, \.ll-tall \{ max-height: none !important; overflow: visible !important", printed)
    # A list that may not be broken would begin on the second page.
    assert re.search(r"#changelist \{ break-inside: auto", printed)


def test_what_is_current_and_how_far_it_is_is_seen_in_forced_colours() -> None:
    """There the page's own grounds are gone, which say so else, and so is a bar's."""
    rules = rules_of(FOLDER / "lamplighter.css")
    forced = rules[rules.index("(forced-colors: active)") :]
    for told_by_its_ground in ("aria-current", "aria-pressed", ":has(:checked)", "progress"):
        assert told_by_its_ground in forced
