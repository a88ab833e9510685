"""What handlers are told, as fields: from `job_data` and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import AnonymousUser

from scheduling import registry
from scheduling.admin.work import WorkForms
from scheduling.contract import FormField, JobHandler

TOLD = (
    FormField(key="kind", label="Kind", choices=(("one", "One"), ("many", "Many"), ("all", "All"))),
    FormField(key="what", label="What", suggestions=("a", "b"), shown_with=("kind", ("one",))),
    FormField(key="what", name="several", label="Which", is_list=True, shown_with=("kind", ("many",))),
    FormField(key="note", label="Note"),
)


class ToldJobHandler(JobHandler):
    def form(self, user: object) -> tuple[FormField, ...]:
        return TOLD


@pytest.fixture
def work() -> Iterator[WorkForms]:
    registry.register(ToldJobHandler)
    forms = {name: registry.get(name) for name in registry.names()}
    try:
        for name in set(forms) - {"told"}:
            registry.unregister(type(forms[name]))
        yield WorkForms(AnonymousUser())
    finally:
        registry.unregister(ToldJobHandler)
        for handler in forms.values():
            if not isinstance(handler, ToldJobHandler):
                registry.register(type(handler))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"kind": "all"}, {"do_told_kind": "all", "do_told_note": None}),
        ({"kind": "one", "what": "x"}, {"do_told_kind": "one", "do_told_what": "x", "do_told_note": None}),
        (
            {"kind": "many", "what": ["x", "y"], "note": "n"},
            {"do_told_kind": "many", "do_told_several": "x\ny", "do_told_note": "n"},
        ),
    ],
    ids=["all", "one", "many"],
)
def test_what_the_fields_can_say_they_say_and_give_back(
    work: WorkForms, data: dict[str, object], values: dict[str, object]
) -> None:
    assert work.values_of("told", data) == values
    assert work.data_of("told", values) == data


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"kind": "two"},
        {"kind": "all", "what": "x"},
        {"kind": "one", "what": ["x"]},
        {"kind": "one", "what": " x"},
        {"kind": "many", "what": "x"},
        {"kind": "many", "what": ["x", ""]},
        {"kind": "many", "what": ["x\ny"]},
        {"kind": "all", "note": ""},
        {"kind": "all", "note": 5},
        {"kind": "all", "unknown": 1},
    ],
    ids=str,
)
def test_what_they_cannot_say_to_the_letter_stays_json(work: WorkForms, data: object) -> None:
    assert work.values_of("told", data) is None


def test_a_problem_stands_at_the_field_that_says_the_key(work: WorkForms) -> None:
    many, one = {"do_told_kind": "many"}, {"do_told_kind": "one"}
    assert work.field_at("told", "job_data.what[3]", many) == "do_told_several"
    assert work.field_at("told", "job_data.what", one) == "do_told_what"
    assert work.field_at("told", "job_data.kind", one) == "do_told_kind"
    assert work.field_at("told", "job_data.other", one) is None
