"""A definitions file: every problem at once with its place and line, loaded whole or not at all."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from crawler import definitions
from crawler.definitions import InvalidDefinitions, load, parse_file, parse_files
from crawler.models import Spider
from crawler.secrets import set_secret
from scheduling.definitions import create_one_off
from scheduling.models import DefinitionVersion, ScheduledJob

from .documents import BOOKS, make_spider

pytestmark = pytest.mark.django_db


def problems(text: str, source: str = "") -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        load(parse_file(text, source=source))
    assert not Spider.objects.exists()
    return [str(problem) for problem in caught.value.problems]


def report_lines(text: str, *, dry_run: bool = False) -> list[str]:
    return list(load(parse_file(text), dry_run=dry_run).lines())


def test_loading_adds_then_changes_nothing() -> None:
    assert report_lines(BOOKS) == [
        "added     spider books",
        "added     job    books-nightly",
        "2 added, 0 changed, 0 unchanged",
    ]
    before = list(DefinitionVersion.objects.values())
    assert report_lines(BOOKS)[-1] == "0 added, 0 changed, 2 unchanged"
    assert list(DefinitionVersion.objects.values()) == before


def test_changes_are_told_field_by_field() -> None:
    report_lines(BOOKS)
    changed = BOOKS.replace("[\\\\d.]+", "[0-9.]+").replace("0 2 * * *", "0 3 * * *")
    assert report_lines(changed) == [
        "changed   spider books",
        '            books.items[0].fields.price.regex: "[\\\\d.]+" → "[0-9.]+"',
        "changed   job    books-nightly",
        '            books-nightly.trigger.cron: "0 2 * * *" → "0 3 * * *"',
        "0 added, 2 changed, 0 unchanged",
    ]
    assert Spider.objects.get().version == 2
    assert ScheduledJob.objects.get(job_id="books-nightly").trigger["cron"] == "0 3 * * *"


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    assert report_lines(BOOKS, dry_run=True)[-1] == "2 added, 0 changed, 0 unchanged (dry run: nothing was written)"
    assert not Spider.objects.exists()
    assert not ScheduledJob.objects.filter(job_id="books-nightly").exists()
    assert not DefinitionVersion.objects.filter(key__startswith="books").exists()


def test_a_report_for_programs_has_the_values() -> None:
    report_lines(BOOKS)
    report = load(parse_file(BOOKS.replace("category: shops", "category: stores"))).as_dict()
    assert report["changed"] == [
        {
            "kind": "spider",
            "name": "books",
            "differences": [{"place": "books.category", "before": "shops", "after": "stores"}],
        }
    ]


def test_who_loaded_is_kept() -> None:
    user = User.objects.create_user("ann")
    load(parse_file(BOOKS), user=user)
    assert set(DefinitionVersion.objects.filter(key__startswith="books").values_list("user", flat=True)) == {user.pk}


def test_every_problem_is_named_with_file_line_place_and_remedy() -> None:
    text = (
        "spidrs: []\n"
        "spiders:\n"
        "  - name: books\n"
        '    start_urls: ["https://shop.example/"]\n'
        "    items:\n"
        "      - type: book\n"
        "        fields:\n"
        "          price: {css: p, typ: decimal}\n"
        "jobs:\n"
        "  - job_id: nightly\n"
        "    handler: maintenance\n"
        "    job_data: {action: check}\n"
        '    trigger: {type: cron, cron: "0 2 * * *"}\n'
        "    policies: {max_retrys: 3}\n"
    )
    found = problems(text, "books.yaml")
    assert found[0] == 'books.yaml:1: spidrs: unknown key "spidrs"; did you mean "spiders"?'
    assert found[1] == 'books.yaml:8: spiders[0].items[0].fields.price.typ: unknown key "typ"; did you mean "type"?'
    assert found[2].startswith("books.yaml:14: jobs[0].policies.max_retrys: ")
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "[] is not a mapping of keys to values"),
        ("spiders: 3", "line 1: spiders: 3 is not a list; put it in [ ]"),
        ("spiders: [3]", "line 1: spiders[0]: 3 is not a mapping of keys to values"),
    ],
)
def test_what_is_no_definitions_file_is_refused(text: str, message: str) -> None:
    assert problems(text)[0].removeprefix("line 1: ") == message.removeprefix("line 1: ")


def test_names_stand_once_over_all_files() -> None:
    found = parse_files([("a.yaml", BOOKS), ("b.yaml", BOOKS)]).problems
    assert [str(problem) for problem in found] == [
        'b.yaml:2: spiders[0].name: "books" stands twice; the first is a.yaml spiders[0].name',
        'b.yaml:18: jobs[0].job_id: "books-nightly" stands twice; the first is a.yaml jobs[0].job_id',
    ]


@pytest.mark.parametrize(
    ("job_data", "message"),
    [
        ("{type: spider, target: tomes}", "line 20: jobs[0].job_data.target: There is no spider “tomes”"),
        ("{type: category, target: x}", "line 20: jobs[0].job_data.target: There is no category “x”"),
        (
            "{type: urls, target: ['https://a.example/'], spider: x}",
            "line 20: jobs[0].job_data.spider: There is no spider “x”",
        ),
    ],
)
def test_a_job_crawls_what_is_there(job_data: str, message: str) -> None:
    text = BOOKS.replace("{type: spider, target: books}", job_data)
    assert problems(text)[0].startswith(message)


@pytest.mark.parametrize("job_data", ["{type: spider, target: books}", "{type: category, target: shops}"])
def test_a_job_is_not_blamed_for_a_spider_that_was_refused(job_data: str) -> None:
    text = BOOKS.replace("{type: spider, target: books}", job_data).replace("follow:", "folow:")
    assert problems(text) == ['line 5: spiders[0].folow: unknown key "folow"; did you mean "follow"?']


def test_a_job_may_crawl_what_only_the_database_has() -> None:
    definitions.save_spider(make_spider())
    jobs = BOOKS[BOOKS.index("jobs:") :]
    assert report_lines(jobs) == ["added     job    books-nightly", "1 added, 0 changed, 0 unchanged"]
    by_category = jobs.replace("{type: spider, target: books}", "{type: category, target: shops}")
    assert report_lines(by_category)[-1] == "0 added, 1 changed, 0 unchanged"


def test_a_one_off_is_not_overwritten_by_a_file() -> None:
    create_one_off(job_id="books-nightly", handler="maintenance", job_data={"action": "check"})
    assert problems(BOOKS)[0].startswith("line 18: jobs[0].job_id: ")


def test_what_is_probably_not_meant_is_said() -> None:
    text = BOOKS.replace('start_urls: ["https', 'allowed_domains: [other.example]\n    start_urls: ["https')
    report = load(parse_file(text, source="b.yaml"))
    assert [str(warning) for warning in report.warnings] == [
        'b.yaml:5: spiders[0].start_urls[0]: "https://shop.example/" is outside allowed_domains: it is not fetched',
        'b.yaml:17: spiders[0].manners.headers.Authorization: no secret is stored under "shop-token" yet; set it in '
        "the admin",
    ]


def test_a_credential_in_clear_is_warned_of_without_repeating_it() -> None:
    text = BOOKS.replace("{secret: shop-token}", "Bearer abc123")
    assert [str(warning) for warning in load(parse_file(text)).warnings] == [
        "line 16: spiders[0].manners.headers.Authorization: is stored where people can read it; write {secret: name}"
    ]
    set_secret("shop-token", "Bearer abc123")
    assert load(parse_file(BOOKS)).warnings == ()
