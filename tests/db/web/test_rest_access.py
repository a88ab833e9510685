"""Who may do what over REST, and what a hostile body or address gets."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver
from knox.models import AuthToken
from rest_framework.test import APIClient

from scheduling.models import ScheduledJob

from .making import job_document, make_item, make_job, make_run, make_spider, make_task, make_user
from .problems import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

# every address, the verb, and the one permission that opens it
ADDRESSES = [
    ("post", "/api/crawl/all", "crawler.add_crawltask"),
    ("post", "/api/crawl/urls", "crawler.add_crawltask"),
    ("post", "/api/crawl/categories/shops/start", "crawler.add_crawltask"),
    ("post", "/api/crawl/spiders/books/start", "crawler.add_crawltask"),
    ("get", "/api/crawl/spiders", "crawler.view_spider"),
    ("post", "/api/crawl/spiders", "crawler.add_spider"),
    ("get", "/api/crawl/spiders/books", "crawler.view_spider"),
    ("put", "/api/crawl/spiders/books", "crawler.change_spider"),
    ("patch", "/api/crawl/spiders/books", "crawler.change_spider"),
    ("delete", "/api/crawl/spiders/books", "crawler.delete_spider"),
    ("post", "/api/crawl/spiders/books/preview", "crawler.change_spider"),
    ("get", "/api/crawl/spiders/books/versions", "crawler.view_spider"),
    ("get", "/api/crawl/spiders/books/versions/1", "crawler.view_spider"),
    ("post", "/api/crawl/spiders/books/versions/1/restore", "crawler.change_spider"),
    ("get", "/api/crawl/tasks", "crawler.view_crawltask"),
    ("get", "/api/crawl/tasks/task", "crawler.view_crawltask"),
    ("get", "/api/crawl/tasks/task/causes", "crawler.view_crawltask"),
    ("get", "/api/crawl/tasks/task/politeness", "crawler.view_crawltask"),
    ("get", "/api/crawl/tasks/task/pages", "crawler.view_page"),
    ("post", "/api/crawl/tasks/task/cancel", "crawler.change_crawltask"),
    ("get", "/api/crawl/items", "crawler.view_item"),
    ("get", "/api/crawl/items/1", "crawler.view_item"),
    ("get", "/api/crawl/items/1/versions", "crawler.view_item"),
    ("get", "/api/crawl/items/changes", "crawler.view_item"),
    ("get", "/api/crawl/items/export", "crawler.export_item"),
    ("get", f"/api/crawl/items/export/{'0' * 32}", "crawler.export_item"),
    ("delete", f"/api/crawl/items/export/{'0' * 32}", "crawler.export_item"),
    ("get", "/api/schedule/jobs", "scheduling.view_scheduledjob"),
    ("post", "/api/schedule/jobs", "scheduling.add_scheduledjob"),
    ("get", "/api/schedule/jobs/nightly", "scheduling.view_scheduledjob"),
    ("put", "/api/schedule/jobs/nightly", "scheduling.change_scheduledjob"),
    ("patch", "/api/schedule/jobs/nightly", "scheduling.change_scheduledjob"),
    ("delete", "/api/schedule/jobs/nightly", "scheduling.delete_scheduledjob"),
    ("post", "/api/schedule/jobs/nightly/pause", "scheduling.operate_scheduledjob"),
    ("post", "/api/schedule/jobs/nightly/resume", "scheduling.operate_scheduledjob"),
    ("post", "/api/schedule/jobs/nightly/run", "scheduling.operate_scheduledjob"),
    ("get", "/api/schedule/jobs/nightly/upcoming", "scheduling.view_scheduledjob"),
    ("get", "/api/schedule/jobs/nightly/timeline", "scheduling.view_jobrun"),
    ("get", "/api/schedule/jobs/nightly/why", "scheduling.view_jobrun"),
    ("get", "/api/schedule/jobs/nightly/backfill", "scheduling.view_jobrun"),
    ("post", "/api/schedule/jobs/nightly/backfill", "scheduling.operate_scheduledjob"),
    ("get", "/api/schedule/jobs/nightly/versions", "scheduling.view_scheduledjob"),
    ("get", "/api/schedule/jobs/nightly/versions/1", "scheduling.view_scheduledjob"),
    ("post", "/api/schedule/jobs/nightly/versions/1/restore", "scheduling.change_scheduledjob"),
    ("post", "/api/schedule/upcoming", "scheduling.view_scheduledjob"),
    ("get", "/api/schedule/runs", "scheduling.view_jobrun"),
    ("get", "/api/schedule/runs/1", "scheduling.view_jobrun"),
    ("get", "/api/schedule/runs/1/log", "scheduling.view_jobrun"),
    ("post", "/api/schedule/runs/1/cancel", "scheduling.change_jobrun"),
    ("get", "/api/schedule/status", "scheduling.view_scheduledjob"),
    ("get", "/api/schedule/metrics", "scheduling.view_process"),
    ("post", "/api/schedule/pause", "scheduling.change_schedulerstate"),
    ("post", "/api/schedule/resume", "scheduling.change_schedulerstate"),
]
IDS = [f"{verb} {path}" for verb, path, _permission in ADDRESSES]


@pytest.mark.parametrize(("verb", "path", "permission"), ADDRESSES, ids=IDS)
def test_anonymous_is_refused_with_a_challenge(verb: str, path: str, permission: str) -> None:
    answer = getattr(APIClient(), verb)(path)
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(("verb", "path", "permission"), ADDRESSES, ids=IDS)
def test_every_other_permission_opens_nothing(verb: str, path: str, permission: str) -> None:
    everything = {permission for _verb, _path, permission in ADDRESSES}
    client = APIClient()
    client.force_authenticate(make_user("ada", *(everything - {permission})))
    assert_problem(getattr(client, verb)(path), 403)


@pytest.mark.parametrize(("verb", "path", "permission"), ADDRESSES, ids=IDS)
def test_the_one_permission_opens(verb: str, path: str, permission: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("ada", permission))
    assert getattr(client, verb)(path).status_code not in (401, 403, 405, 500)


def test_the_table_above_holds_every_address() -> None:
    """A new view is refused to nobody by accident."""
    tested = {path.rstrip("/") for _verb, path, _permission in ADDRESSES}
    resolver = get_resolver()
    names = {resolver.resolve(path).url_name for path in tested}
    known = {
        pattern.name
        for prefix in resolver.url_patterns
        if isinstance(prefix, URLResolver) and str(prefix.pattern) in ("api/crawl/", "api/schedule/")
        for pattern in prefix.url_patterns
        if isinstance(pattern, URLPattern)
    }
    assert known
    assert known <= names


@pytest.mark.parametrize("path", sorted({path for _verb, path, _permission in ADDRESSES}))
def test_options_tells_each_who_may_use_an_address_what_it_is(path: str, api: APIClient) -> None:
    permissions = {verb.upper(): permission for verb, other, permission in ADDRESSES if other == path}
    answer = api.options(path)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert set(told) == {"name", "description", "methods"}
    assert all(told.values())
    assert {*told["methods"]} == {*permissions} | ({"HEAD"} if "GET" in permissions else set())
    assert {*told["methods"], "OPTIONS"} == {*answer["Allow"].split(", ")}
    client = APIClient()
    assert_problem(client.options(path), 401)
    client.force_authenticate(make_user("ada"))
    assert_problem(client.options(path), 403)
    verb, permission = next(iter(permissions.items()))
    client.force_authenticate(make_user("bob", permission))
    assert verb in client.options(path).json()["methods"]


@pytest.mark.parametrize("path", [*sorted({path for _verb, path, _permission in ADDRESSES}), "/metrics"])
def test_no_method_and_no_body_is_an_error_of_ours(path: str, api: APIClient) -> None:
    make_spider(), make_job()
    for method in ("OPTIONS", "HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
        for body in ("", '{"trigger": [[]], "name": {}, "urls": {}, "url": 5, "moments": 1, "note": []}', "[" * 200):
            answer = api.generic(method, path, body, content_type="application/json")
            assert answer.status_code < 500, (method, body, answer.status_code)


def test_an_unknown_address_gets_a_document() -> None:
    for path in ("/api/", "/api/nothing", "/api/crawl/nothing/", "/api/schedule/jobs/a/b/c"):
        assert_problem(APIClient().get(path), 404, says=path)
        assert_problem(APIClient(enforce_csrf_checks=True).post(path), 404, says=path)


# --- who asks ---------------------------------------------------------------------------------------------------------
def test_a_token_authenticates_until_it_expires_or_is_taken_away() -> None:
    user = make_user("ada", "scheduling.view_scheduledjob")
    row, token = AuthToken.objects.create(user)
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
    assert client.get("/api/schedule/status").status_code == 200
    AuthToken.objects.filter(pk=row.pk).update(expiry=row.created - timedelta(seconds=1))
    assert_problem(client.get("/api/schedule/status"), 401)
    _row, other = AuthToken.objects.create(user)
    AuthToken.objects.all().delete()
    assert_problem(APIClient(HTTP_AUTHORIZATION=f"Token {other}").get("/api/schedule/status"), 401)


@pytest.mark.parametrize(
    "header", ["Token", "Token x", "Token a b", f"Token {'x' * 10_000}", "Token \u00e4", "Token \x00", "Bearer x"]
)
def test_a_wrong_token_is_refused(header: str) -> None:
    assert_problem(APIClient(HTTP_AUTHORIZATION=header).get("/api/schedule/status"), 401)


def test_a_token_of_somebody_who_left_is_refused() -> None:
    user = make_user("ada", "scheduling.view_scheduledjob")
    token = AuthToken.objects.create(user)[1]
    User.objects.update(is_active=False)
    assert_problem(APIClient(HTTP_AUTHORIZATION=f"Token {token}").get("/api/schedule/status"), 401)


def test_a_session_reads_and_writes_with_the_csrf_token_alone(root: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(root)
    assert client.get("/api/schedule/jobs").status_code == 200
    assert_problem(client.post("/api/schedule/jobs", job_document()), 403, says="CSRF")
    assert not ScheduledJob.objects.exists()
    client.get("/admin/")
    csrf = client.get("/admin/password_change/").context["csrf_token"]
    answer = client.post("/api/schedule/jobs", job_document(), headers={"X-CSRFToken": str(csrf)})
    assert answer.status_code == 201, answer.content


# --- hostile bodies ---------------------------------------------------------------------------------------------------
DEEP = "[" * 10_000 + "]" * 10_000


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "Not valid JSON"),
        ("[]", "object"),
        ('"text"', "object"),
        ("null", "object"),
        ("5", "object"),
        ('{"run_at": NaN}', "NaN"),
        ('{"run_at": -Infinity}', "Infinity"),
        ('{"run_at": null, "run_at": null}', "twice"),
        ('{"run_at": "\\u0000"}', "NUL"),
        ('{"\\u0000": 1}', "NUL"),
        ('{"run_at": "\\ud800"}', "surrogate"),
        (f'{{"run_at": {DEEP}}}', "deep"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "deep"),
        (f'{{"run_at": {"9" * 5_000}}}', "Not valid JSON"),
        (b'{"run_at": "\xff"}', "UTF-8"),
        (b"\x00", "Not valid JSON"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_hostile_body_is_a_bad_request(api: APIClient, body: str | bytes, says: str) -> None:
    assert_problem(api.post("/api/crawl/all", body, content_type="application/json"), 400, says=says)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(api: APIClient, kind: str) -> None:
    assert_problem(api.post("/api/crawl/all", b"run_at=1", content_type=kind), 415)


def test_a_huge_body_is_refused(api: APIClient) -> None:
    body = json.dumps({"run_at": "x" * (6 * 1024 * 1024)})
    assert_problem(api.post("/api/crawl/all", body, content_type="application/json"), 413)


@pytest.mark.parametrize(
    "path",
    [
        "/api/crawl/items?spider=a%00b",
        "/api/crawl/tasks?parent=%00",
        "/api/crawl/tasks/a%00b",
        "/api/schedule/jobs/a%00b",
        "/api/schedule/runs?job_id=%00",
        "/api/crawl/categories/%00/start",
    ],
)
def test_nul_in_an_address_is_a_bad_request(api: APIClient, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0]
    assert_problem(api.get(path), 400, field=name or None, says="NUL")


@pytest.mark.parametrize("page", ["/admin/crawler/spider/?q=%00", "/admin/login/?next=%00"])
def test_nul_in_an_address_of_the_admin_is_a_bad_request(api: APIClient, page: str) -> None:
    assert api.get(page).status_code == 400


@pytest.mark.parametrize("body", [{}, {"detail": "x"}])
def test_methods_that_are_not_there_are_named(api: APIClient, body: dict[str, object]) -> None:
    assert_problem(api.delete("/api/crawl/all"), 405)
    assert_problem(api.put("/api/schedule/status", body), 405)


def test_objects_that_are_there_open_for_their_permission() -> None:
    """The table above asks for what does not exist; here it does."""
    spider, job = make_spider(), make_job()
    run, task, item = make_run(job), make_task(spider, task_id="task"), make_item(spider)
    paths = {
        "/api/crawl/spiders/books": "crawler.view_spider",
        f"/api/crawl/tasks/{task.task_id}": "crawler.view_crawltask",
        f"/api/crawl/tasks/{task.task_id}/pages": "crawler.view_page",
        f"/api/crawl/items/{item.pk}/versions": "crawler.view_item",
        "/api/schedule/jobs/nightly/upcoming": "scheduling.view_scheduledjob",
        "/api/schedule/jobs/nightly/timeline": "scheduling.view_jobrun",
        "/api/schedule/jobs/nightly/why": "scheduling.view_jobrun",
        "/api/schedule/jobs/nightly/backfill": "scheduling.view_jobrun",
        "/api/schedule/jobs/nightly/versions/1": "scheduling.view_scheduledjob",
        "/api/crawl/spiders/books/versions/1": "crawler.view_spider",
        f"/api/schedule/runs/{run.pk}/log": "scheduling.view_jobrun",
    }
    for number, (path, permission) in enumerate(paths.items()):
        client = APIClient()
        client.force_authenticate(make_user(f"user-{number}", permission))
        assert client.get(path).status_code == 200, path
