"""A job's document: what is refused where, and that dumping and parsing undo each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from scheduling import definitions, registry
from scheduling.contract import JobHandler
from scheduling.exceptions import InvalidJob, InvalidJobData


class ProbeJobHandler(JobHandler):
    def validate(self, job_data: Mapping[str, object]) -> None:
        if "bad" in job_data:
            raise InvalidJobData("bad", "Leave it out.")


@pytest.fixture(autouse=True, scope="module")
def _probe() -> Iterator[None]:
    registry.register(ProbeJobHandler)
    yield
    registry.unregister(ProbeJobHandler)


def make_document(**changes: object) -> dict[str, object]:
    return {"job_id": "probe", "handler": "probe", "trigger": {"type": "interval", "hours": 1}, **changes}


def problems_of(document: Mapping[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidJob) as error:
        definitions.parse_job(document)
    return error.value.problems


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"job_id": None}, "job_id", "books-nightly"),
        ({"job_id": "a b"}, "job_id", "letters"),
        ({"job_id": "x" * 201}, "job_id", "200"),
        ({"job_id": "a\n"}, "job_id", "letters"),
        ({"name": 5}, "name", "text"),
        ({"name": "x" * 201}, "name", "200"),
        ({"name": "a\0b"}, "name", "NUL"),
        ({"name": "\ud800"}, "name", "surrogates"),
        ({"enabled": "yes"}, "enabled", "true or false"),
        ({"handler": None}, "handler", "probe"),
        ({"handler": "prob"}, "handler", "probe"),
        ({"handler": "ProbJobHandler"}, "handler", "ProbeJobHandler"),
        ({"job_data": []}, "job_data", "mapping"),
        ({"job_data": {"a": float("nan")}}, "job_data", "JSON"),
        ({"job_data": {"a": {1, 2}}}, "job_data", "JSON"),
        ({"job_data": {"a": "\0"}}, "job_data", "NUL"),
        ({"job_data": {"a": "\ud800"}}, "job_data", "surrogates"),
        ({"job_data": {"bad": 1}}, "job_data.bad", "Leave it out."),
        ({"trigger": None}, "trigger", "cron"),
        ({"trigger": {"type": "interval", "seconds": 0}}, "trigger.seconds", "more than 0"),
        ({"policies": []}, "policies", "mapping"),
        ({"policies": {"retries": 3}}, "policies.retries", "“max_retries”"),
        ({"policies": {"coalesce": 1}}, "policies.coalesce", "true or false"),
        ({"policies": {"max_instances": 0}}, "policies.max_instances", "from 1"),
        ({"policies": {"max_instances": True}}, "policies.max_instances", "from 1"),
        ({"policies": {"max_instances": None}}, "policies.max_instances", "from 1"),
        ({"policies": {"misfire_grace_time": 0}}, "policies.misfire_grace_time", "null for none"),
        ({"policies": {"misfire_grace_time": -1}}, "policies.misfire_grace_time", "null for none"),
        ({"policies": {"max_retries": -1}}, "policies.max_retries", "from 0"),
        ({"policies": {"max_retries": 10**18}}, "policies.max_retries", "from 0"),
        ({"policies": {"timeout": 0}}, "policies.timeout", "more than 0"),
        ({"policies": {"timeout": float("nan")}}, "policies.timeout", "more than 0"),
        ({"policies": {"timeout": float("inf")}}, "policies.timeout", "more than 0"),
        ({"policies": {"timeout": 10**400}}, "policies.timeout", "more than 0"),
        ({"policies": {"timeout": "5"}}, "policies.timeout", "more than 0"),
        ({"policies": {"jitter": -1}}, "policies.jitter", "null for none"),
        ({"policies": {"overlap": "queue"}}, "policies.overlap", "skip or wait"),
        ({"policies": {"overlap": []}}, "policies.overlap", "skip or wait"),
        ({"handlers": "probe"}, "handlers", "“handler”"),
        ({"one_time": True}, "one_time", "not known"),
    ],
    ids=repr,
)
def test_wrong_value_is_refused_with_its_place(change: dict[str, object], place: str, words: str) -> None:
    found = problems_of(make_document(**change))
    assert [where for where, _message in found] == [place]
    assert words in found[0][1]


def test_all_problems_are_told_at_once() -> None:
    found = problems_of({"job_id": "", "trigger": {}, "policies": {"jitter": "x"}, "nome": 1})
    assert [place for place, _message in found] == ["nome", "job_id", "trigger.type", "policies.jitter", "handler"]


def test_what_is_no_mapping_is_refused() -> None:
    assert problems_of([])[0][0] == ""  # type: ignore[arg-type]


def test_defaults_are_those_of_the_settings() -> None:
    values = definitions.parse_job(make_document())
    assert (values.name, values.enabled, values.job_data) == ("probe", True, {})
    assert (values.coalesce, values.max_instances, values.misfire_grace_time) == (False, 1, 30)
    assert (values.max_retries, values.timeout, values.jitter, values.overlap) == (3, None, None, "skip")


def test_defaults_of_the_settings_can_be_set() -> None:
    with override_settings(SCHEDULER_JOB_DEFAULTS={"coalesce": True, "max_retries": 9}):
        values = definitions.parse_job(make_document(policies={"coalesce": False}))
    assert (values.coalesce, values.max_retries) == (False, 9)


def test_handler_is_kept_under_its_short_name() -> None:
    assert definitions.parse_job(make_document(handler="ProbeJobHandler")).handler == "probe"


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
DOCUMENTS = st.fixed_dictionaries(
    {
        "job_id": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,30}\Z"),
        "handler": st.sampled_from(["probe", "ProbeJobHandler"]),
        "trigger": st.sampled_from(
            [
                {"type": "cron", "cron": "0 2 * * *", "timezone": "Europe/Berlin"},
                {"type": "cron", "minute": 0, "hour": 2, "day_of_week": "mon-fri"},
                {"type": "interval", "seconds": 3600, "start": "2027-01-01T12:00:00"},
                {"type": "date", "run_date": "2027-01-01T12:00:00"},
            ]
        ),
    },
    optional={
        "name": TEXTS,
        "enabled": st.booleans(),
        "job_data": st.dictionaries(TEXTS.filter(lambda key: key != "bad"), st.none() | st.integers() | TEXTS),
        "policies": st.fixed_dictionaries(
            {},
            optional={
                "coalesce": st.booleans(),
                "max_instances": st.integers(1, 9),
                "misfire_grace_time": st.none() | st.integers(1, 10**6),
                "max_retries": st.integers(0, 9),
                "timeout": st.none() | st.floats(0.1, 10**6) | st.integers(1, 9),
                "jitter": st.none() | st.integers(0, 60),
                "overlap": st.sampled_from(["skip", "wait"]),
            },
        ),
    },
)


@given(document=DOCUMENTS)
def test_dump_and_parse_undo_each_other(document: dict[str, object]) -> None:
    values = definitions.parse_job(document)
    dumped = definitions.dump_values(values)
    assert definitions.parse_job(dumped) == values
    assert definitions.dump_values(definitions.parse_job(dumped)) == dumped
