"""docs/definitions.md tells what is there: its examples load, and no key is missing from it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from crawler.definitions import load, parse_file
from crawler.engine.documents.definition import NOT_IN_DOCUMENT, FieldType, Limits, Manners, Session, SpiderDefinition
from crawler.engine.documents.item_rules import FIELD_KEYS, ITEM_KEYS
from crawler.engine.spider import Auth, BasicAuth
from crawler.secrets import set_secret
from scheduling.definitions.documents import KEYS, POLICIES
from scheduling.triggers import KINDS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "definitions.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SECTIONS = (SpiderDefinition, Session, Auth, BasicAuth, Manners, Limits)
SPIDER_KEYS = {field.name for part in SECTIONS for field in fields(part)} - {*NOT_IN_DOCUMENT}
TRIGGER_KEYS = [key for kind in KINDS.values() for key in kind.keys]


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=[example.split("\n")[1].strip() for example in EXAMPLES])
def test_an_example_loads_without_a_warning(example: str) -> None:
    for name in re.findall(r"secret: ([\w-]+)", example):
        set_secret(name, "x")
    report = load(parse_file(example))
    assert report.outcomes
    assert report.warnings == ()


@pytest.mark.parametrize(
    "key", sorted({*SPIDER_KEYS, *ITEM_KEYS, *FIELD_KEYS, *FieldType, *KEYS, *POLICIES, *TRIGGER_KEYS, "timezone"})
)
def test_every_key_and_type_has_its_line(key: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert any(f"`{key}`" in row.split("|")[1] for row in rows)
