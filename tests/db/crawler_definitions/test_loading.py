"""A load is worked out by reading, and written in few statements: nobody waits for it, whatever its size."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_apscheduler.models import DjangoJob

from crawler import definitions
from crawler.definitions import DefinitionsBusy, InvalidDefinitions, load, parse_file
from crawler.models import Spider
from scheduling.definitions import delete_job
from scheduling.models import DefinitionVersion, ScheduledJob

from .documents import BOOKS, make_spider

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def many(count: int, *, category: str = "shops", hour: int = 2) -> str:
    """So many spiders, and a schedule of each."""
    names = [f"s{number:03}" for number in range(count)]
    spiders = [f'  - {{name: {name}, category: {category}, start_urls: ["https://{name}.example/"]}}' for name in names]
    jobs = [
        f"  - {{job_id: j-{name}, handler: crawl, job_data: {{type: spider, target: {name}}}, "
        f'trigger: {{type: cron, cron: "0 {hour} * * *", timezone: Asia/Shanghai}}}}'
        for name in names
    ]
    return "\n".join(["spiders:", *spiders, "jobs:", *jobs])


def statements(work: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        work()
    return [query["sql"] for query in queries]


def test_a_plan_reads_alone_and_not_once_a_definition() -> None:
    few, more = (parse_file(many(count)) for count in (2, 60))
    asked = statements(lambda: definitions.plan(more))
    assert all(sql.startswith("SELECT") for sql in asked), asked
    assert len(asked) == len(statements(lambda: definitions.plan(few))) < 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL locks rows")
def test_a_plan_is_made_while_somebody_else_writes() -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(definitions.plan(parse_file(BOOKS)).report.in_state("added")) == 2


def test_what_is_new_and_what_spiders_change_is_written_in_few_statements() -> None:
    few, more = (statements(lambda count=count: load(parse_file(many(count)))) for count in (2, 60))  # type: ignore[misc]
    assert Spider.objects.count() == 60
    assert DjangoJob.objects.filter(pk__startswith="j-").count() == 60
    assert len(more) <= len(few) + 15, "the two of the first load are looked at"
    spiders = many(60, category="stores").partition("jobs:")[0]
    changed = statements(lambda: load(parse_file(spiders)))
    assert len(changed) < 15
    assert set(Spider.objects.values_list("category", "version")) == {("stores", 2)}
    assert DefinitionVersion.objects.filter(kind="spider").count() == 120
    assert load(parse_file(many(60, category="stores"))).in_state("changed") == []


def test_numbers_of_versions_go_on_where_definitions_were_deleted() -> None:
    load(parse_file(BOOKS))
    delete_job("books-nightly")
    definitions.delete_spider("books")
    report = load(parse_file(BOOKS))
    assert len(report.in_state("added")) == 2
    assert Spider.objects.get().version == 2
    assert ScheduledJob.objects.get(job_id="books-nightly").version == 2
    assert definitions.save_spider(make_spider(category="x")).version == 3


def test_what_is_changed_before_it_could_be_written_is_looked_at_again() -> None:
    load(parse_file(BOOKS))
    looks: list[int] = []

    def disturb(prepared: object) -> None:
        looks.append(1)
        if len(looks) == 1:
            definitions.save_spider(make_spider(category="elsewhere"))

    load(parse_file(BOOKS), agree=disturb)
    assert len(looks) == 2
    assert Spider.objects.get().category == "shops"


@pytest.mark.parametrize("what", ["spider", "job", "category"])
def test_who_is_always_overtaken_is_told_and_has_written_nothing(what: str) -> None:
    load(parse_file(BOOKS))
    numbers = iter(range(1, 60))

    def disturb(prepared: object) -> None:
        number = next(numbers)
        if what == "spider":
            definitions.save_spider(make_spider(category=f"c{number}"))
        elif what == "job":
            load(parse_file(BOOKS.replace("0 2 * * *", f"{number} 2 * * *")))
        else:
            definitions.save_spider(make_spider(name=f"other-{number}"))

    with pytest.raises(DefinitionsBusy):
        load(parse_file(BOOKS.replace("https://shop", "https://other")), agree=disturb)
    assert "other.example" not in str(Spider.objects.get(name="books").definition)


def test_plans_agreed_to_are_not_carried_out_on_other_ground() -> None:
    found = parse_file(BOOKS)
    fingerprint = definitions.plan(found).fingerprint
    definitions.save_spider(make_spider())
    with pytest.raises(definitions.PlanChanged):
        definitions.carry_out(found, fingerprint)
    assert not ScheduledJob.objects.filter(job_id="books-nightly").exists()


def test_a_schedule_of_a_category_that_the_file_empties_is_refused() -> None:
    load(parse_file(BOOKS))
    text = BOOKS.replace("category: shops", "category: stores").replace(
        "{type: spider, target: books}", "{type: category, target: shops}"
    )
    with pytest.raises(InvalidDefinitions, match="There is no category “shops”"):
        load(parse_file(text))
    assert Spider.objects.get().category == "shops"


def test_a_schedule_that_lost_its_row_gets_it_back() -> None:
    load(parse_file(BOOKS))
    DjangoJob.objects.filter(pk="books-nightly").delete()
    assert load(parse_file(BOOKS)).in_state("changed") == []
    assert DjangoJob.objects.get(pk="books-nightly").next_run_time is not None


def test_problems_stand_in_the_order_of_their_lines() -> None:
    text = (
        "jobs:\n"
        '  - {job_id: a, handler: maintenance, job_data: {action: check}, trigger: {type: cron, cron: "99 * * * *"}}\n'
        "spiders:\n"
        '  - {name: b, start_urls: ["https://b.example/"], folow: []}\n'
    )
    with pytest.raises(InvalidDefinitions) as caught:
        load(parse_file(text))
    assert [problem.line for problem in caught.value.problems] == [2, 4]
