"""What the form of a schedule would do, before it is saved."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from pytest_django import DjangoAssertNumQueries, Settings

from scheduling import definitions
from scheduling.models import DefinitionVersion, ScheduledJob

from .answers import errors_of
from .forms import FORM
from .making import make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIST = "/admin/scheduling/scheduledjob/"
PREVIEW = f"{LIST}preview/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def fragment(web: Client, path: str = PREVIEW, **fields: object) -> str:
    answer = web.post(path, FORM | fields)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_preview_shows_five_firings_in_two_zones_and_the_next_clock_changes(web: Client) -> None:
    text = fragment(web, kind="daily", at="02:30", zone="Europe/Berlin")
    assert text.count("<li") == 5
    assert text.count("UTC</span>") == 5
    assert "02:30" in text
    assert "Europe/Berlin" in text
    assert "clocks go from 02:00 to 03:00; 02:30 runs at 03:00" in text
    assert "<html" not in text


@pytest.mark.parametrize(
    ("fields", "element", "says"),
    [
        ({"kind": "cron", "cron": "61 * * * *"}, "id_cron", ""),
        ({"kind": "daily", "at": ""}, "id_at", "time of day"),
        ({"kind": "daily", "at": "02:00", "zone": "Europe/Berln"}, "id_zone", "Europe/Berlin"),
        ({"kind": "weekly", "at": "02:00"}, "id_weekdays", "one day"),
        ({"kind": "interval", "every": "0"}, "id_every", ""),
        ({"kind": "interval", "start": "2027-02-01T00:00", "end": "2027-01-01T00:00"}, "id_end", "after"),
        ({"max_instances": "0"}, "id_max_instances", ""),
        ({"timeout": "soon"}, "id_timeout", ""),
    ],
)
def test_a_preview_names_the_field_that_is_wrong(
    web: Client, fields: dict[str, object], element: str, says: str
) -> None:
    text = fragment(web, PREVIEW, **fields)
    assert f'data-for="{element}"' in text
    assert says in text


@pytest.mark.parametrize(
    ("fields", "begin"),
    [
        ({"kind": "cron", "cron": "* 3 * * *"}, '<a href="#id_cron">Cron line</a>: It fires in every minute'),
        (
            {"kind": "document", "trigger_document": '{"type": "cron", "hour": 3, "day_of_week": 1}'},
            '<a href="#id_trigger_document">Trigger document</a>: trigger.day_of_week: Numbers of weekdays',
        ),
    ],
)
def test_a_warning_begins_with_the_label_of_its_field(web: Client, fields: dict[str, str], begin: str) -> None:
    assert begin in fragment(web, **fields)


def test_what_is_empty_elsewhere_is_no_error_of_the_preview(web: Client) -> None:
    """Nobody who is still typing is scolded for the id that comes later."""
    text = fragment(web, job_id="", handler="", kind="daily", at="02:00")
    assert "data-for" not in text
    assert text.count("<li") == 5


def test_a_preview_stores_nothing_and_costs_the_same_for_every_rule(
    web: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job()
    path = f"{LIST}{job.pk}/preview/"
    with django_assert_max_num_queries(6):
        fragment(web, path, kind="interval", every="1", unit="seconds")
    job.refresh_from_db()
    assert (job.trigger["type"], job.version, DefinitionVersion.objects.count()) == ("cron", 1, 1)


def test_a_preview_of_a_paused_schedule_says_that_it_is_held(web: Client) -> None:
    job = make_job()
    definitions.pause_job(job.job_id, by="ada", note=HOSTILE)
    text = fragment(web, f"{LIST}{job.pk}/preview/", kind="daily", at="02:00")
    assert "Paused since" in text
    assert HOSTILE not in text


def test_the_form_of_a_schedule_shows_its_preview_at_once(web: Client) -> None:
    page = web.get(f"{LIST}{make_job().pk}/change/").content.decode()
    assert page.count(" UTC</span>") == 5
    assert "Show next firings" in page
    assert web.get(f"{LIST}add/").content.decode().count(" UTC</span>") == 5


def test_without_script_the_button_shows_the_firings_and_saves_nothing(web: Client) -> None:
    job = make_job()
    answer = web.post(f"{LIST}{job.pk}/change/", FORM | {"kind": "daily", "at": "05:17", "_preview": "1"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "05:17" in page
    assert 'value="05:17"' in page
    assert errors_of(answer) == {}
    job.refresh_from_db()
    assert job.version == 1
    assert web.post(f"{LIST}add/", FORM | {"job_id": "new", "_preview": "1"}).status_code == 200
    assert not ScheduledJob.objects.filter(job_id="new").exists()


def test_hostile_text_in_a_rule_stays_text(web: Client) -> None:
    for fields in ({"kind": "cron", "cron": HOSTILE}, {"kind": "daily", "zone": HOSTILE}, {"kind": HOSTILE}):
        assert HOSTILE not in fragment(web, **fields)


def test_a_preview_is_for_those_who_may_save(client: Client) -> None:
    job = make_job()
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    assert client.post(PREVIEW, FORM).status_code == 403
    assert client.post(f"{LIST}{job.pk}/preview/", FORM).status_code == 403
    assert client.get(f"{LIST}{job.pk}/change/").status_code == 200


def test_a_preview_is_not_fetched_by_a_link(web: Client) -> None:
    assert web.get(PREVIEW).status_code == 405


# --- what is saved is what was shown ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"misfire_grace_time": ""}, {"misfire_grace_time": None}),
        ({"misfire_grace_time": "3600", "coalesce": "on"}, {"misfire_grace_time": 3600, "coalesce": True}),
        ({"jitter": "60", "timeout": "90.5"}, {"jitter": 60, "timeout": 90.5}),
        ({"overlap": "wait", "max_instances": "3"}, {"overlap": "wait", "max_instances": 3}),
        ({"max_retries": "0", "enabled": ""}, {"max_retries": 0, "enabled": False}),
        ({"kind": "daily", "start": "2027-01-01T00:00", "end": "2028-01-01T00:00"}, {}),
        ({"kind": "weekly", "weekdays": ["1", "3"]}, {}),
        ({"kind": "hourly", "minute": "20"}, {}),
        ({"kind": "date", "run_date": "2037-01-01T00:00:00"}, {}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_saving_the_form_as_it_is_shown_changes_nothing(
    web: Client, fields: dict[str, object], stored: dict[str, object]
) -> None:
    answer = web.post(f"{LIST}add/", FORM | fields)
    assert answer.status_code == 302, errors_of(answer)
    job = ScheduledJob.objects.get()
    assert {name: getattr(job, name) for name in stored} == stored
    form = web.get(f"{LIST}{job.pk}/change/").context["adminform"].form
    shown: dict[str, object] = {}
    for bound in form:
        value = bound.value()
        if value is True:
            value = "on"
        if value is not None and value is not False:
            shown[bound.name] = value.isoformat("minutes") if hasattr(value, "hour") else value
    again = web.post(f"{LIST}{job.pk}/change/", shown)
    assert again.status_code == 302, errors_of(again)
    job.refresh_from_db()
    assert job.version == 1


def test_all_that_is_wrong_is_said_at_once_with_links_to_the_fields(web: Client) -> None:
    wrong = {"job_id": "", "job_data": '{"action": "chek"}', "max_instances": "0", "jitter": "x", "cron": "61 * * * *"}
    answer = web.post(f"{LIST}add/", FORM | wrong | {"kind": "cron"})
    assert set(errors_of(answer)) == {"job_id", "job_data", "max_instances", "jitter", "cron"}
    page = answer.content.decode()
    for name in ("job_id", "job_data", "max_instances", "jitter", "cron"):
        assert f'<a href="#id_{name}">' in page, name
    assert not ScheduledJob.objects.exists()


def test_what_stands_in_a_field_that_is_not_shown_is_no_mistake(web: Client) -> None:
    hidden = {"kind": "daily", "minute": "75", "every": "no", "trigger_document": "{", "run_date": "soon", "cron": "x"}
    answer = web.post(f"{LIST}add/", FORM | hidden)
    assert answer.status_code == 302, errors_of(answer)
    assert ScheduledJob.objects.get().trigger["cron"] == "0 2 * * *"


def test_a_new_schedule_begins_with_the_policies_of_the_settings(web: Client, settings: Settings) -> None:
    settings.SCHEDULER_JOB_DEFAULTS = {"misfire_grace_time": 77, "max_retries": 1}
    form = web.get(f"{LIST}add/").context["adminform"].form
    assert (form["misfire_grace_time"].value(), form["max_retries"].value()) == (77, 1)


def test_the_first_firing_that_was_shown_is_the_one_that_is_planned(web: Client) -> None:
    fields = {"kind": "daily", "at": "23:59", "zone": "UTC"}
    text = fragment(web, PREVIEW, **fields)
    web.post(f"{LIST}add/", FORM | fields)
    planned = DjangoJob.objects.get().next_run_time
    assert planned > timezone.now()
    assert f"{planned:%H:%M} UTC" in text
