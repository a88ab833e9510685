"""Schedules and runs in the admin: the form, the actions."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from crawler.models import CrawlTask
from crawler.tasks import request_crawl
from scheduling import definitions
from scheduling.definitions import JobValues
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob, SchedulerState
from scheduling.planned import state_of

from .answers import Answer, errors_of, messages_of
from .forms import FORM
from .making import make_job, make_run, make_spider, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ADD = "/admin/scheduling/scheduledjob/add/"
LIST = "/admin/scheduling/scheduledjob/"
RUNS = "/admin/scheduling/jobrun/"


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


def change(job: ScheduledJob) -> str:
    return f"{LIST}{job.pk}/change/"


# --- the form ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "trigger"),
    [
        ({"kind": "interval", "every": "5"}, {"type": "interval", "seconds": 5}),
        (
            {"kind": "cron", "cron": "0 2 * * *"},
            {"type": "cron", "cron": "0 2 * * *", "timezone": "Asia/Shanghai"},
        ),
        ({"kind": "cron", "cron": "@daily", "zone": ""}, {"type": "cron", "cron": "@daily"}),
        (
            {"kind": "date", "run_date": "2037-01-01T12:00:00", "zone": "Europe/Berlin"},
            {"type": "date", "run_date": "2037-01-01T12:00:00", "timezone": "Europe/Berlin"},
        ),
        (
            {"kind": "document", "trigger_document": '{"type": "cron", "hour": 2, "day_of_week": "mon-fri"}'},
            {"type": "cron", "hour": 2, "day_of_week": "mon-fri"},
        ),
    ],
    ids=["interval", "cron line", "cron alias", "date", "document"],
)
def test_a_schedule_is_made_by_the_form_and_planned(
    web: Client, fields: dict[str, object], trigger: dict[str, object]
) -> None:
    answer = web.post(ADD, FORM | fields)
    assert answer.status_code == 302, errors_of(answer)
    job = ScheduledJob.objects.get()
    assert (job.job_id, job.name, job.trigger, job.coalesce) == ("nightly", "nightly", trigger, False)
    assert DjangoJob.objects.get(pk="nightly").next_run_time > timezone.now()
    version = DefinitionVersion.objects.get()
    assert (version.key, version.user) == ("nightly", User.objects.get(username="root"))


def test_the_form_shows_what_it_saved(web: Client) -> None:
    web.post(ADD, FORM | {"kind": "cron", "cron": "*/5 * * * *", "timeout": "90", "coalesce": "on"})
    form = web.get(change(ScheduledJob.objects.get())).context["adminform"].form
    shown = {name: form[name].value() for name in ("kind", "cron", "zone", "timeout", "coalesce", "handler")}
    assert shown == {
        "kind": "cron",
        "cron": "*/5 * * * *",
        "zone": "Asia/Shanghai",
        "timeout": 90.0,
        "coalesce": True,
        "handler": "maintenance",
    }
    assert json.loads(form["job_data"].value()) == {"action": "check"}


@pytest.mark.parametrize("text", ["{", '{"a": "\\ud800"}'], ids=["no JSON", "no character"])
def test_an_address_that_says_no_work_begins_an_empty_form(web: Client, text: str) -> None:
    assert web.get(ADD, {"handler": "maintenance", "job_data": text}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({"job_id": "no good"}, "job_id", "letters"),
        ({"job_id": ""}, "job_id", "required"),
        ({"handler": "gone"}, "handler", "choice"),
        ({"job_data": "{"}, "job_data", "JSON"),
        ({"job_data": '{"a": 1, "a": 2}'}, "job_data", "twice"),
        ({"job_data": '{"a": "\\u0000"}'}, "job_data", "a: A text holds the character NUL."),
        ({"job_data": "[]"}, "job_data", "mapping"),
        ({"job_data": '{"action": "chek"}'}, "job_data", "retention"),
        ({"every": ""}, "every", ""),
        ({"every": "0"}, "every", ""),
        ({"kind": "cron", "cron": "60 * * * *"}, "cron", ""),
        ({"kind": "cron", "cron": "0 0 31 2 *"}, "cron", "never"),
        ({"kind": "cron", "cron": ""}, "cron", ""),
        ({"kind": "cron", "cron": "@daily", "zone": "Mars/Base"}, "zone", "Mars/Base"),
        ({"kind": "date", "run_date": "soon"}, "run_date", "soon"),
        ({"kind": "date", "run_date": "2020-01-01T00:00"}, "run_date", "“2020-01-01T00:00” lies in the past"),
        ({"kind": "document", "trigger_document": ""}, "trigger_document", ""),
        ({"kind": "document", "trigger_document": '{"type": "crom"}'}, "trigger_document", "cron"),
        ({"kind": "document", "trigger_document": '{"type": "cron", "hour": 25}'}, "trigger_document", "hour"),
        ({"max_instances": "0"}, "max_instances", ""),
        ({"timeout": "-1"}, "timeout", "more than 0"),
        ({"misfire_grace_time": "0"}, "misfire_grace_time", "from 1 to"),
        ({"jitter": "99999999"}, "jitter", ""),
        ({"handler": "crawl", "job_data": '{"type": "spider", "target": "no"}'}, "job_data", "no"),
    ],
)
def test_an_error_stands_at_its_field(web: Client, fields: dict[str, object], where: str, says: str) -> None:
    errors = errors_of(web.post(ADD, FORM | fields))
    assert list(errors) == [where]
    assert says in " ".join(errors[where])
    assert "null" not in " ".join(errors[where]), "a form has none"
    assert not ScheduledJob.objects.exists()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"timeout": "-1", "every": "0", "name": "x" * 400}, ["name", "every", "timeout"]),
        ({"kind": "weekly", "weekdays": [], "max_instances": "0"}, ["weekdays", "max_instances"]),
    ],
    ids=["an input", "a group"],
)
def test_what_is_wrong_is_told_once_in_the_order_of_the_page_and_the_first_of_it_has_the_keyboard(
    web: Client, fields: dict[str, object], wrong: list[str]
) -> None:
    page = web.post(ADD, FORM | fields).content.decode()
    assert re.findall(r'<p><a href="#id_(\w+)">', page.partition('<div class="ll-preview">')[0]) == wrong
    assert (page.count("errornote"), page.count(" autofocus")) == (0, 1)
    [first] = re.findall(rf'<\w+[^>]* id="id_{wrong[0]}"[^>]*>', page)
    assert " autofocus" in first
    # Django's script would take the keyboard to the first field.
    assert "change_form.js" not in page
    assert "change_form.js" in web.get(ADD).content.decode()


@pytest.mark.parametrize(
    ("fields", "job_data"),
    [
        ({"type": "spider", "target": "books"}, {"type": "spider", "target": "books"}),
        ({"type": "category", "category": "shops", "target": "left over"}, {"type": "category", "target": "shops"}),
        ({"type": "all", "target": "left over"}, {"type": "all"}),
        (
            {"type": "urls", "spider": "books", "urls": "https://shop.example/a\r\n\r\nhttps://shop.example/b\r\n"},
            {"type": "urls", "target": ["https://shop.example/a", "https://shop.example/b"], "spider": "books"},
        ),
    ],
    ids=["spider", "category", "all", "urls"],
)
def test_what_is_crawled_is_chosen_and_shown_again(
    web: Client, fields: dict[str, str], job_data: dict[str, object]
) -> None:
    make_spider()
    posted = {f"do_crawl_{name}": text for name, text in fields.items()}
    answer = web.post(ADD, FORM | posted | {"handler": "crawl", "work_way": "fields", "job_data": "{broken"})
    assert answer.status_code == 302, errors_of(answer)
    job = ScheduledJob.objects.get()
    assert job.job_data == job_data
    form = web.get(change(job)).context["adminform"].form
    assert (form["work_way"].value(), form["do_crawl_type"].value()) == ("fields", fields["type"])
    values = {bound.html_name: bound.value() or "" for group in form.work_groups() for bound, _shown in group.fields}
    again = web.post(change(job), FORM | {"handler": "crawl", "work_way": "fields", "name": "nightly"} | values)
    assert again.status_code == 302, errors_of(again)
    job.refresh_from_db()
    assert (job.job_data, job.version) == (job_data, 1), "opened and saved, it is the same"


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({"type": "spider"}, "target", "Is missing"),
        ({"type": "spider", "target": "bookz"}, "target", "Did you mean “books”?"),
        ({"type": "category", "category": "shopz"}, "category", "Did you mean “shops”?"),
        ({"type": "urls", "urls": "https://shop.example/a"}, "spider", "Is missing"),
        ({"type": "urls", "spider": "books"}, "urls", "list of URLs"),
        (
            {"type": "urls", "spider": "books", "urls": "https://shop.example/a\nhttps://else.example/"},
            "urls",
            "Line 2",
        ),
        ({"type": "nothing"}, "type", "choice"),
    ],
)
def test_an_error_of_what_is_crawled_stands_at_its_field(
    web: Client, fields: dict[str, str], where: str, says: str
) -> None:
    make_spider()
    posted = {f"do_crawl_{name}": text for name, text in fields.items()}
    errors = errors_of(web.post(ADD, FORM | posted | {"handler": "crawl", "work_way": "fields"}))
    assert list(errors) == [f"do_crawl_{where}"]
    assert says in " ".join(errors[f"do_crawl_{where}"])


def test_what_the_fields_cannot_say_is_shown_as_json_and_kept(web: Client) -> None:
    make_spider()
    job = make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
    odd = {"type": "spider", "target": "books", "since": "an older release"}
    ScheduledJob.objects.filter(pk=job.pk).update(job_data=odd)
    form = web.get(change(job)).context["adminform"].form
    assert (form["work_way"].value(), form.told_by_fields) == ("json", False)
    assert json.loads(form["job_data"].value()) == odd
    posted = FORM | {"handler": "crawl", "work_way": "json", "job_data": json.dumps(odd)}
    assert "since" in errors_of(web.post(change(job), posted))["job_data"][0]
    job.refresh_from_db()
    assert job.job_data == odd, "what is not known is refused, not dropped"


def test_spiders_are_offered_to_those_who_may_see_them(client: Client) -> None:
    make_spider("secret-books")
    for name, may_see in (("ada", True), ("bob", False)):
        rights = ["scheduling.view_scheduledjob", "scheduling.add_scheduledjob"]
        client.force_login(make_user(name, *rights, *(["crawler.view_spider"] if may_see else [])))
        assert ("secret-books" in client.get(ADD).content.decode()) is may_see


def test_an_address_says_what_a_new_schedule_begins_with(web: Client) -> None:
    make_spider()
    query = {"job_id": "books", "name": "Books", "job_data": '{"type": "spider", "target": "books"}'}
    form = web.get(ADD, query).context["adminform"].form
    shown = {name: form[name].value() for name in ("job_id", "name", "handler", "work_way", "do_crawl_target")}
    assert shown == {
        "job_id": "books", "name": "Books", "handler": "crawl", "work_way": "fields", "do_crawl_target": "books",
    }  # fmt: skip
    assert web.get(ADD, {"job_data": "{", "handler": "gone"}).status_code == 200


def test_a_wrong_rule_does_not_hide_a_wrong_zone(web: Client) -> None:
    errors = errors_of(web.post(ADD, FORM | {"kind": "cron", "cron": "60 * * * *", "zone": "Mars/Base"}))
    assert sorted(errors) == ["cron", "zone"]
    assert "Mars/Base" in errors["zone"][0]


def test_an_id_that_is_taken_is_an_error_of_the_field(web: Client) -> None:
    make_job()
    errors = errors_of(web.post(ADD, FORM))
    assert "already" in errors["job_id"][0]
    assert ScheduledJob.objects.get().trigger["type"] == "cron"


def test_saving_moves_the_next_firing_and_keeps_the_id(web: Client) -> None:
    job = make_job()
    before = DjangoJob.objects.get(pk="nightly").next_run_time
    answer = web.post(change(job), FORM | {"job_id": "other", "every": "5"})
    assert answer.status_code == 302, errors_of(answer)
    job.refresh_from_db()
    assert (job.job_id, job.trigger, job.version) == ("nightly", {"type": "interval", "seconds": 5}, 2)
    assert DjangoJob.objects.get(pk="nightly").next_run_time < before


def test_what_changed_meanwhile_is_told(web: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process makes the same schedule between the form's check and its save."""
    create = definitions.create_job

    def overtaken(values: JobValues, *, user: User | None = None) -> ScheduledJob:
        create(values)
        return create(values, user=user)

    monkeypatch.setattr(definitions, "create_job", overtaken)
    answer = web.post(ADD, FORM)
    assert answer.status_code == 302
    assert "nightly" in messages_of(answer)[0]


def test_the_list_is_filtered_by_the_state_that_it_shows(web: Client) -> None:
    for job_id in ("active", "paused", "problem", "off"):
        make_job(job_id, enabled=job_id != "off")
    definitions.pause_job("paused", by="ada", note="")
    ScheduledJob.objects.filter(job_id="problem").update(problem="spoilt", enabled=False)
    for state in ("active", "paused", "problem", "off"):
        rows = web.get(f"{LIST}?state={state}").context["cl"].result_list
        assert [(job.job_id, state_of(job)) for job in rows] == [(state, state)]
    assert len(web.get(f"{LIST}?state=nothing").context["cl"].result_list) == 4


def test_a_schedule_is_deleted_and_its_runs_stay(web: Client) -> None:
    job = make_job()
    run = make_run(job)
    waiting = make_run(job, state="queued", cause="manual")
    page = web.get(f"{LIST}{job.pk}/delete/").content.decode()
    assert page.count(f'href="{LIST}{job.pk}/change/"') == 2, "above, and to leave it"
    assert "1 queued run will be cancelled" in page
    assert "1 other run stays" in page
    assert web.post(f"{LIST}{job.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ScheduledJob.objects.exists()
    assert not DjangoJob.objects.exists()
    assert JobRun.objects.get(pk=run.pk).state == "succeeded"
    assert JobRun.objects.get(pk=waiting.pk).state == "cancelled"


def test_several_schedules_are_deleted_by_the_action(web: Client) -> None:
    make_job("a")
    make_job("b")
    selected = list(ScheduledJob.objects.values_list("pk", flat=True))
    web.post(LIST, {"action": "delete_selected", "_selected_action": selected, "post": "yes"})
    assert not ScheduledJob.objects.exists()
    assert not DjangoJob.objects.exists()


def test_the_list_leaves_out_the_one_offs_of_run_now(web: Client) -> None:
    make_job()
    asked, planned = request_crawl("all"), request_crawl("all", run_at=timezone.now() + timedelta(days=1))
    found = {
        query: [job.job_id for job in web.get(f"{LIST}{query}").context["cl"].result_list]
        for query in ("", "?one_time=1", "?one_time=all")
    }
    one_offs = sorted([asked.task_id, planned.task_id])
    assert found == {"": [planned.task_id, "nightly"], "?one_time=1": one_offs, "?one_time=all": [*one_offs, "nightly"]}
    assert f"one-off · {planned.task_id}" in web.get(LIST).content.decode()


def test_a_one_off_is_not_edited_and_its_deletion_ends_its_task(web: Client) -> None:
    task = request_crawl("all")
    job = ScheduledJob.objects.get(job_id=task.task_id)
    assert web.get(change(job)).status_code == 200
    assert web.post(change(job), FORM).status_code == 403
    web.post(f"{LIST}{job.pk}/delete/", {"post": "yes"})
    assert CrawlTask.objects.get().status == "cancelled"
    assert not ScheduledJob.objects.exists()


# --- actions ----------------------------------------------------------------------------------------------------------
def act(web: Client, path: str, action: str, *rows: ScheduledJob | JobRun, **fields: str) -> Answer:
    return web.post(path, {"action": action, "_selected_action": [row.pk for row in rows]} | fields)


def test_run_now_queues_once_and_says_what_is_in_the_way(web: Client) -> None:
    job, other = make_job(), make_job("other")
    messages = messages_of(act(web, LIST, "run_now", job, other))
    assert [run.job_key for run in JobRun.objects.order_by("job_key")] == ["nightly", "other"]
    assert len(messages) == 2
    [message] = messages_of(act(web, LIST, "run_now", job))[2:]
    assert "waits already" in message
    assert JobRun.objects.filter(job=job).count() == 1


def test_pause_and_resume(web: Client) -> None:
    job = make_job()
    assert "Pause 1 schedule" in act(web, LIST, "pause", job).content.decode()
    job.refresh_from_db()
    assert job.paused_at is None
    act(web, LIST, "pause", job, note="The shop is <b>closed</b>")
    job.refresh_from_db()
    assert (job.paused_by, DjangoJob.objects.get().next_run_time) == ("root", None)
    assert "Paused by root: The shop is &lt;b&gt;closed" in web.get(LIST).content.decode()
    act(web, LIST, "resume", job)
    job.refresh_from_db()
    assert job.paused_at is None
    assert DjangoJob.objects.get().next_run_time > timezone.now()


def test_a_one_off_is_not_paused(web: Client) -> None:
    task = request_crawl("all", run_at=timezone.now() + timedelta(days=1))
    job = ScheduledJob.objects.get(job_id=task.task_id)
    [message] = messages_of(act(web, LIST, "pause", job, note=""))
    assert "one-off" in message


def test_cancel_ends_a_queued_run_and_refuses_an_ended_one(web: Client) -> None:
    job = make_job()
    queued, ended = make_run(job, state="queued", cause="manual"), make_run(job)
    messages = messages_of(act(web, RUNS, "cancel", queued, ended))
    queued.refresh_from_db()
    assert (queued.state, queued.cancel_requested_by) == ("cancelled", "root")
    assert any("has ended" in message for message in messages)


def test_everything_is_paused_and_resumed_by_a_button(web: Client) -> None:
    assert "pause-all" in web.get(LIST).content.decode()
    assert web.post(f"{LIST}pause-all/").status_code == 302
    assert SchedulerState.objects.get().paused_by == "root"
    page = web.get(LIST).content.decode()
    assert "resume-all" in page
    assert "Everything is paused" in page
    assert web.post(f"{LIST}resume-all/").status_code == 302
    assert SchedulerState.objects.get().paused_at is None
    assert web.get(f"{LIST}resume-all/").status_code == 405


def test_actions_need_their_permission(client: Client) -> None:
    job = make_job()
    run = make_run(job, state="queued", cause="manual")
    client.force_login(make_user("ada", "scheduling.view_scheduledjob", "scheduling.view_jobrun"))
    for action in ("run_now", "pause", "resume", "delete_selected"):
        act(client, LIST, action, job)
    act(client, RUNS, "cancel", run)
    assert client.post(f"{LIST}pause-all/").status_code == 403
    job.refresh_from_db()
    run.refresh_from_db()
    assert (job.paused_at, run.state, JobRun.objects.count()) == (None, "queued", 1)
    assert not SchedulerState.objects.filter(paused_at__isnull=False).exists()
    assert client.post(change(job), FORM).status_code == 403


def test_who_may_only_look_reads_the_rule_in_words_and_no_help_for_inputs(client: Client) -> None:
    rule = {"type": "cron", "cron": "0 2 * * *", "timezone": "Asia/Shanghai", "end": "2031-01-01T00:00"}
    job = make_job(trigger=rule)
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    page = client.get(change(job)).content.decode()
    assert "02:00" in page
    assert "2031-01-01 00:00" in page
    assert "Not before" not in page
    assert "&quot;cron&quot;" not in page
    assert "Then a firing counts as missed" not in page
    assert '<div class="help"' not in page


def test_runs_are_found_by_their_schedule(web: Client) -> None:
    make_run(make_job())
    make_run(make_job("other"))
    page = web.get(f"{RUNS}?job=other")
    assert [run.job_key for run in page.context["cl"].result_list] == ["other"]


def test_the_crawl_of_a_spider_is_scheduled_by_the_form(web: Client) -> None:
    make_spider()
    data = {"handler": "crawl", "job_data": '{"type": "spider", "target": "books"}', "every": "5"}
    answer = web.post(ADD, FORM | data)
    assert answer.status_code == 302, errors_of(answer)
    assert ScheduledJob.objects.get().job_data == {"type": "spider", "target": "books"}


def test_what_another_person_saved_meanwhile_is_not_lost_unseen(web: Client) -> None:
    job = make_job("nightly")
    shown = web.get(change(job)).content.decode()
    assert f'name="_based_on" value="{job.version}"' in shown
    fields = {name: value for name, value in FORM.items() if name != "job_id"}
    assert web.post(change(job), fields | {"name": "Mine", "_based_on": str(job.version)}).status_code == 302
    answer = web.post(change(job), fields | {"name": "Theirs", "_based_on": str(job.version)})
    assert answer.status_code == 200
    assert "was saved while you were at it" in answer.content.decode()
    job.refresh_from_db()
    assert job.name == "Mine"
    assert f'name="_based_on" value="{job.version}"' in answer.content.decode()
    assert web.post(change(job), fields | {"name": "Theirs", "_based_on": str(job.version)}).status_code == 302
    job.refresh_from_db()
    assert job.name == "Theirs"


def test_a_form_without_its_cookie_has_a_page_in_the_readers_language() -> None:
    client = Client(enforce_csrf_checks=True)
    data = {"username": "ada", "password": "pass"}
    answer = client.post("/admin/login/", data)
    assert answer.status_code == 403
    assert "Open the form again" in answer.content.decode()
    answer = client.post("/admin/login/", data, headers={"Accept-Language": "zh-hans"})
    assert 'lang="zh-hans"' in answer.content.decode()
    assert "viewport" in answer.content.decode()


def test_what_no_page_understands_has_a_page() -> None:
    answer = Client().get("/", headers={"Host": "a b"})
    assert answer.status_code == 400
    assert "This request means nothing here" in answer.content.decode()


@pytest.mark.parametrize(("path", "status"), [("/nowhere/", 404), ("/admin/scheduling/scheduledjob/add/", 403)])
def test_what_is_not_there_or_not_allowed_has_a_page_in_the_readers_language(
    client: Client, path: str, status: int
) -> None:
    client.force_login(make_user("viewer"))
    answer = client.get(path, headers={"Accept-Language": "zh-hans"})
    assert answer.status_code == status
    assert 'lang="zh-hans"' in answer.content.decode()
    assert "viewport" in answer.content.decode()
