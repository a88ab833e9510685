"""Loading what was dumped changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from crawler import definitions, secrets
from crawler.definitions import load, parse_file, to_yaml
from crawler.engine.errors import DefinitionError
from scheduling.definitions import create_one_off

from .documents import BOOKS, make_spider

pytestmark = pytest.mark.django_db

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
awkward = st.sampled_from(
    ["02:00", "2027-01-01", "yes", "null", "~", "08", "010", "1e3", "0x1F", "#a", "- a", "a: b", "*x", "&y", "!t", "%",
     "@", "=", "<<", "12:30:45", "1_000", ".inf", "{a}", "[a]", "a #b", "'", '"', "\\d", "é", "网", "😀", "\u2028", "|",
     ">"]
)  # fmt: skip
name = st.sampled_from(["a", "b", "no", "08", "1e3", "a-b_c"])
word = awkward | text.map(lambda value: f"a{value}z")
pattern = st.sampled_from(["02:00", r"\d+", "^a$", "(é)", "#a", "- a", "08", "a: b", "yes", "\u2028", "<<", "😀"])
field_rule = st.fixed_dictionaries(
    {"from": st.just("url")},
    optional={
        "regex": pattern,
        "required": st.booleans(),
        "many": st.booleans(),
    },
)
spider: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {
        "name": name,
        "start_urls": st.lists(
            st.integers(0, 9).map(lambda number: f"https://h{number}.example/?a=02:00&b=*"), min_size=1, max_size=3
        ),
    },
    optional={
        "enabled": st.booleans(),
        "category": word,
        "follow": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "css": st.just("a[rel='next']"),
                    "allow": st.lists(pattern, max_size=3),
                    "deny": st.just([r"\?"]),
                },
            ),
            max_size=3,
        ),
        "items": st.lists(
            st.fixed_dictionaries({"type": word, "fields": st.dictionaries(word, field_rule, min_size=1, max_size=4)}),
            max_size=3,
            unique_by=lambda rule: str(rule["type"]),
        ),
        "manners": st.fixed_dictionaries(
            {}, optional={"delay": st.floats(0, 100), "headers": st.just({"X-A": "02:00", "X-B": {"secret": "no"}})}
        ),
        "limits": st.fixed_dictionaries({}, optional={"max_pages": st.none() | st.integers(1, 10**6)}),
    },
)


def refusals(document: dict[str, object]) -> list[str]:
    try:
        definitions.save_spider(document)
    except DefinitionError as error:
        return [problem.message for problem in error.problems]
    return []


@given(st.lists(spider, max_size=3))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_loading_a_dump_changes_nothing(documents: list[dict[str, object]]) -> None:
    for document in documents:
        # Names may not hold every character; any other refusal would be a mistake of this test.
        assert all("is not a name" in message or "is empty" in message for message in refusals(document))
    dumped = definitions.dump()
    for printed in (to_yaml(dumped), json.dumps(dumped)):
        report = load(parse_file(printed))
        assert [str(outcome.differences) for outcome in report.outcomes if outcome.state != "unchanged"] == []


def dumped_job() -> dict[str, object]:
    jobs = definitions.dump()["jobs"]
    assert isinstance(jobs, list)
    return next(job for job in jobs if job["job_id"] == "books-nightly")


def test_a_dump_without_defaults_reads_as_a_person_would_write_it() -> None:
    load(parse_file(BOOKS))
    dumped = definitions.dump()
    books = to_yaml({"spiders": dumped["spiders"]})
    assert books.splitlines()[:12] == [
        "spiders:",
        "  - name: books",
        "    category: shops",
        "    start_urls:",
        "      - https://shop.example/",
        "    follow:",
        "      - css: li.next a, article h3 a",
        "        allow:",
        "          - /catalogue/",
        "    items:",
        "      - type: book",
        r"        match: /catalogue/.*_\d+/index\.html$",
    ]
    assert list(dumped_job().items()) == [
        ("job_id", "books-nightly"),
        ("handler", "crawl"),
        ("job_data", {"type": "spider", "target": "books"}),
        ("trigger", {"type": "cron", "cron": "0 2 * * *", "timezone": "Asia/Shanghai"}),
    ]


def test_a_policy_is_left_out_only_where_it_means_the_same_everywhere(settings: Settings) -> None:
    load(parse_file(BOOKS.replace("Asia/Shanghai}", "Asia/Shanghai}\n    policies: {max_retries: 7, timeout: 60}")))

    assert dumped_job()["policies"] == {"max_retries": 7, "timeout": 60}
    settings.SCHEDULER_JOB_DEFAULTS = {"max_retries": 7, "coalesce": True}
    assert dumped_job()["policies"] == {"coalesce": False, "max_retries": 7, "timeout": 60}
    assert load(parse_file(to_yaml(definitions.dump()))).in_state("changed") == []


def test_secrets_are_dumped_by_name_alone() -> None:
    secrets.set_secret("shop-token", "Bearer-abc123")
    load(parse_file(BOOKS))
    printed = to_yaml(definitions.dump())
    assert "secret: shop-token" in printed
    assert "abc123" not in printed


def test_one_offs_are_not_definitions() -> None:
    create_one_off(job_id="crawl_once", handler="maintenance", job_data={"action": "check"})
    assert "crawl_once" not in to_yaml(definitions.dump())


def test_an_old_document_does_not_stop_the_dump_of_the_others() -> None:
    spider = definitions.save_spider(make_spider())
    spider.definition = dict(spider.definition) | {"teleport": True}
    spider.save(update_fields=["definition"])
    assert definitions.dump()["spiders"] == [spider.definition]
