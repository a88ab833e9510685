"""The three groups: what docs/roles.md says is what they may do, on every page and over REST."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import URLPattern, URLResolver, resolve
from knox.models import AuthToken
from rest_framework.test import APIClient

import crawlproject.urls  # noqa: F401  # loads the apps' admin modules
from crawler import secrets
from scheduling.models import DefinitionVersion
from tests.db.processes import make_process

from .making import make_item, make_job, make_page, make_run, make_spider, make_task, make_user
from .test_rest_access import ADDRESSES

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ROLES = ("Viewer", "Operator", "Editor")
DOCUMENT = Path(__file__).parents[3] / "docs" / "roles.md"
groups = importlib.import_module("crawlproject.migrations.0001_groups")
accounts = importlib.import_module("crawlproject.migrations.0002_accounts_for_superusers")

SPIDER, JOB, RUN = "/admin/crawler/spider", "/admin/scheduling/scheduledjob", "/admin/scheduling/jobrun"
ITEM, TASK, PAGE = "/admin/crawler/item", "/admin/crawler/crawltask", "/admin/crawler/page"
SECRET, VERSION = "/admin/crawler/secret", "/admin/scheduling/definitionversion"
PROCESS, TOKEN = "/admin/scheduling/process", "/admin/knox/authtoken"
USER, GROUP = "/admin/auth/user", "/admin/auth/group"
IMPORT = "crawler.change_spider"
# the verb, the page (a number stands for the row that is there), and the right that opens it; "" is open to all staff
PAGES: list[tuple[str, str, str]] = [
    ("get", "/admin/", ""),
    ("get", "/admin/crawler/", ""),
    ("get", "/admin/password_change/", ""),
    ("get", "/admin/live/now/", ""),  # each shows what one may see
    ("get", "/admin/live/lamp/", ""),
    ("get", "/admin/live/figures/", ""),
    ("post", "/admin/demo/", "crawler.add_spider"),
    *[
        (verb, f"{base}/{page}", right)
        for base, model in (
            (SPIDER, "crawler.{}_spider"), (JOB, "scheduling.{}_scheduledjob"), (RUN, "scheduling.{}_jobrun"),
            (ITEM, "crawler.{}_item"), (TASK, "crawler.{}_crawltask"), (PAGE, "crawler.{}_page"),
            (SECRET, "crawler.{}_secret"), (VERSION, "scheduling.{}_definitionversion"),
            (PROCESS, "scheduling.{}_process"), (TOKEN, "knox.{}_authtoken"), (USER, "auth.{}_user"),
            (GROUP, "auth.{}_group"),
        )
        for verb, page, right in (
            ("get", "", model.format("view")),
            ("get", "1/change/", model.format("view")),
            ("get", "1/history/", model.format("view")),
            ("get", "add/", model.format("add")),
            ("post", "add/", model.format("add")),
            ("post", "1/change/", model.format("change")),
            ("get", "1/delete/", model.format("delete")),
            ("post", "1/delete/", model.format("delete")),
        )
        # What the product writes is read-only to everybody.
        if base not in (RUN, ITEM, TASK, PAGE, VERSION, PROCESS) or right == model.format("view")
        if (base, page) != (TOKEN, "1/history/")
    ],
    ("get", f"{TOKEN}/1/history/", ""),  # a token of somebody else is not found, which leads to the dashboard
    *[
        (verb, f"{base}/{page}", "nobody")
        for base in (RUN, ITEM, TASK, PAGE, VERSION, PROCESS)
        for verb, page in (("get", "add/"), ("post", "add/"), ("post", "1/change/"), ("post", "1/delete/"))
    ],
    ("post", f"{SPIDER}/workshop/preview/", "crawler.add_spider"),
    ("post", f"{SPIDER}/workshop/candidates/", "crawler.add_spider"),
    ("get", f"{SPIDER}/import/", IMPORT),
    ("post", f"{SPIDER}/import/", IMPORT),
    ("get", f"{SPIDER}/export/", "crawler.view_spider"),
    ("post", f"{SPIDER}/export/", "crawler.view_spider"),
    ("get", f"{SPIDER}/1/history/1/restore/", "crawler.change_spider"),
    ("post", f"{SPIDER}/1/history/1/restore/", "crawler.change_spider"),
    ("get", f"{ITEM}/changes/", "crawler.view_item"),
    ("get", f"{ITEM}/export/", "crawler.export_item"),
    ("post", f"{ITEM}/export/", "crawler.export_item"),
    ("get", f"{ITEM}/export/{'0' * 32}/", "crawler.export_item"),
    ("get", f"{ITEM}/export/{'0' * 32}/progress/", "crawler.export_item"),
    ("post", f"{ITEM}/export/{'0' * 32}/cancel/", "crawler.export_item"),
    ("get", f"{ITEM}/export/{'0' * 32}/file/", "crawler.export_item"),
    ("post", f"{ITEM}/1/look/", "crawler.add_crawltask"),
    ("get", f"{JOB}/pause-all/", "scheduling.change_schedulerstate"),
    ("post", f"{JOB}/pause-all/", "scheduling.change_schedulerstate"),
    ("post", f"{JOB}/resume-all/", "scheduling.change_schedulerstate"),
    ("post", f"{JOB}/preview/", "scheduling.add_scheduledjob"),
    ("post", f"{JOB}/1/preview/", "scheduling.change_scheduledjob"),
    ("post", f"{JOB}/1/run/", "scheduling.operate_scheduledjob"),
    ("get", f"{JOB}/1/pause/", "scheduling.operate_scheduledjob"),
    ("post", f"{JOB}/1/pause/", "scheduling.operate_scheduledjob"),
    ("post", f"{JOB}/1/resume/", "scheduling.operate_scheduledjob"),
    ("get", f"{JOB}/1/timeline/", "scheduling.view_scheduledjob"),
    ("get", f"{JOB}/1/backfill/", "scheduling.view_scheduledjob"),
    ("post", f"{JOB}/1/backfill/", "scheduling.operate_scheduledjob"),
    ("get", f"{JOB}/1/history/1/restore/", "scheduling.change_scheduledjob"),
    ("post", f"{JOB}/1/history/1/restore/", "scheduling.change_scheduledjob"),
    ("get", f"{RUN}/1/live/log/", "scheduling.view_jobrun"),
    ("get", f"{RUN}/1/log.txt", "scheduling.view_jobrun"),
    ("get", f"{RUN}/1/cancel/", "scheduling.change_jobrun"),
    ("post", f"{RUN}/1/cancel/", "scheduling.change_jobrun"),
    ("post", f"{RUN}/1/again/", "scheduling.operate_scheduledjob"),
    ("get", f"{TASK}/1/live/progress/", "crawler.view_crawltask"),
    ("get", f"{TASK}/1/cancel/", "crawler.change_crawltask"),
    ("post", f"{TASK}/1/cancel/", "crawler.change_crawltask"),
    ("post", f"{TASK}/1/again/", "crawler.add_crawltask"),
    ("get", f"{TASK}/compare/", "crawler.view_crawltask"),
    ("get", f"{USER}/1/password/", "auth.change_user"),
]  # fmt: skip
OF_DJANGO = {"login", "logout", "password_change_done", "jsi18n", "autocomplete", "view_on_site", None}
"""Names of addresses that know no rows of ours."""


def documented() -> dict[str, set[str]]:
    """The rights of each role, as the table of the document says."""
    rights: dict[str, set[str]] = {role: set() for role in ROLES}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and "`" in cells[1]:
            for role, cell in zip(ROLES, cells[2:], strict=True):
                assert cell in ("yes", "no"), line
                if cell == "yes":
                    rights[role] |= set(re.findall(r"`([^`]+)`", cells[1]))
    return rights


@pytest.fixture
def roles() -> dict[str, Group]:
    """As the migration makes them; a test that empties all tables may have run before."""
    Group.objects.all().delete()
    groups.make_groups(apps, None)
    accounts.hide_accounts(apps, None)
    return {group.name: group for group in Group.objects.all()}


def rights_of(group: Group) -> set[str]:
    return {f"{app}.{name}" for app, name in group.permissions.values_list("content_type__app_label", "codename")}


def member_of(group: Group) -> User:
    user = make_user(group.name.lower())
    user.groups.add(group)
    return User.objects.get(pk=user.pk)


def test_the_groups_have_the_rights_of_the_document(roles: dict[str, Group]) -> None:
    assert {name: rights_of(group) for name, group in roles.items()} == documented()


def test_a_role_sees_all_models_but_secrets_and_tokens(roles: dict[str, Group]) -> None:
    """A new model of ours is forgotten by no role."""
    seen = rights_of(roles["Viewer"])
    every = {
        f"{app}.{name}"
        for app, name in Permission.objects.filter(
            content_type__app_label__in=("crawler", "scheduling"), codename__startswith="view_"
        ).values_list("content_type__app_label", "codename")
    }
    assert every - seen == {"crawler.view_secret"}
    assert not {right for right in seen if right.startswith("knox.")}


@pytest.fixture
def there() -> dict[str, int]:
    """A row behind each page of the table: its base, and the number of the row."""
    spider = make_spider()
    job = make_job()
    page = make_page(spider)
    token = AuthToken.objects.create(make_user("somebody"))[0]
    process = make_process()
    return {
        SPIDER: spider.pk,
        JOB: job.pk,
        RUN: make_run(job).pk,
        ITEM: make_item(spider, page=page).pk,
        TASK: make_task(spider, task_id="task").pk,
        PAGE: page.pk,
        SECRET: secrets.set_secret("token", "value").pk,
        VERSION: DefinitionVersion.objects.latest("pk").pk,
        PROCESS: process.pk,
        TOKEN: token.pk,
        USER: make_user("other").pk,
        GROUP: Group.objects.create(name="others").pk,
    }


def placed(path: str, there: dict[str, int]) -> str:
    for base, pk in there.items():
        path = path.replace(f"{base}/1/", f"{base}/{pk}/")
    return path


@pytest.mark.parametrize("role", ROLES)
def test_each_page_opens_to_the_roles_of_the_document(
    client: Client, roles: dict[str, Group], there: dict[str, int], role: str
) -> None:
    rights = documented()[role] | {""}
    client.force_login(member_of(roles[role]))
    # What a Viewer sees, an Editor sees too: an Operator between them has the same rights to it.
    same = documented()["Viewer"] | {""} if role == "Operator" else set()
    wrong = []
    for verb, path, right in PAGES:
        if right in same:
            continue
        with taken_back():
            status = getattr(client, verb)(placed(path, there)).status_code
        if status == 500 or (status == 403) is (right in rights):
            wrong.append((verb, path, right, status))
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_rest_opens_to_the_roles_of_the_document(roles: dict[str, Group], there: dict[str, int], role: str) -> None:
    rights = documented()[role]
    client = APIClient()
    client.force_authenticate(member_of(roles[role]))
    wrong = []
    for verb, path, right in ADDRESSES:
        with taken_back():
            status = getattr(client, verb)(path).status_code
        if status in (401, 500) or (status == 403) is (right in rights):
            wrong.append((verb, path, right, status))
    assert wrong == []


@contextmanager
def taken_back() -> Iterator[None]:
    """What happens within it is undone."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_a_page_that_is_not_in_the_table_opens_to_nobody_without_rights(client: Client, there: dict[str, int]) -> None:
    """A new page is open to all staff by no accident: whoever means it says so in the table."""
    tested = {resolve(path).url_name for _verb, path, _right in PAGES}
    client.force_login(make_user("ada"))
    wrong, others = [], 0
    for route, name in addresses(admin.site.get_urls()):
        if name in tested or name in OF_DJANGO:
            continue
        others += 1
        path = placed("/admin/" + re.sub(r"<[^>]+>", "1", route), there)
        for verb in ("get", "post"):
            with taken_back():
                status = getattr(client, verb)(path).status_code
            if status not in (403, 404, 405):
                wrong.append((verb, path, status))
    assert wrong == []
    assert len(tested) > 60
    assert others < 30


def test_no_page_takes_what_another_site_sends(there: dict[str, int]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", superuser=True))
    sent = [placed(path, there) for verb, path, _right in PAGES if verb == "post"]
    assert len(sent) > 50
    assert [path for path in sent if "Open the form again" not in client.post(path).content.decode()] == []


def addresses(found: Iterable[object], before: str = "") -> Iterator[tuple[str, str | None]]:
    """Route and name of each address."""
    for pattern in found:
        if isinstance(pattern, URLPattern):
            yield before + str(pattern.pattern), pattern.name
        elif isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, before + str(pattern.pattern))


# --- buttons ----------------------------------------------------------------------------------------------------------
BUTTONS = [
    (f"{ITEM}/", f"{ITEM}/export/", "Operator"),
    (f"{ITEM}/1/change/", "Look again", "Operator"),
    (f"{JOB}/1/timeline/", "/run/", "Operator"),
    (f"{JOB}/", f"{JOB}/pause-all/", "Operator"),
    (f"{JOB}/", f"{JOB}/add/", "Editor"),
    (f"{JOB}/", f"{SPIDER}/import/", "Editor"),
    (f"{SPIDER}/", f"{SPIDER}/add/", "Editor"),
    (f"{SPIDER}/", f"{SPIDER}/import/", "Editor"),
    (f"{SPIDER}/", f"{SPIDER}/export/", "Viewer"),
    (f"{SPIDER}/", 'value="crawl_now"', "Operator"),
    (f"{RUN}/", 'value="cancel"', "Operator"),
    ("/admin/", "/admin/crawler/secret/", "Editor"),
    ("/admin/", "/admin/knox/authtoken/", ""),
    ("/admin/", "/admin/auth/", ""),
]


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_do_is_not_offered(
    client: Client, roles: dict[str, Group], there: dict[str, int], role: str
) -> None:
    client.force_login(member_of(roles[role]))
    for path, button, lowest in BUTTONS:
        page = client.get(placed(path, there)).content.decode()
        may = bool(lowest) and ROLES.index(role) >= ROLES.index(lowest)
        assert (button in page) is may, (path, button)


def test_who_sees_accounts_without_changing_them_sees_nothing_of_passwords(client: Client) -> None:
    other = make_user("other")
    client.force_login(make_user("ada", "auth.view_user"))
    page = client.get(f"{USER}/{other.pk}/change/").content.decode()
    assert "other" in page
    assert "pbkdf2" not in page
    assert "password/" not in page.replace("/admin/password_change/", "")
    client.force_login(make_user("eve", "auth.view_user", "auth.change_user"))
    assert "password/" in client.get(f"{USER}/{other.pk}/change/").content.decode().replace("/password_change/", "")


# --- the migration ----------------------------------------------------------------------------------------------------
def test_groups_of_these_names_are_left_alone() -> None:
    Group.objects.all().delete()
    mine = Group.objects.create(name="Operator")
    groups.make_groups(apps, None)
    assert rights_of(mine) == set()
    assert Group.objects.count() == 3


def test_roles_that_saw_accounts_do_so_no_more_and_other_groups_do() -> None:
    Group.objects.all().delete()
    groups.make_groups(apps, None)
    others = Group.objects.create(name="staff office")
    others.permissions.add(Permission.objects.get(codename="view_user"))
    assert "auth.view_user" in rights_of(Group.objects.get(name="Viewer"))
    accounts.hide_accounts(apps, None)
    for group in Group.objects.exclude(pk=others.pk):
        assert not [right for right in rights_of(group) if right.startswith("auth.")], group
    assert rights_of(others) == {"auth.view_user"}


def test_who_could_run_schedules_before_still_can() -> None:
    changing = Permission.objects.get(codename="change_scheduledjob")
    group = Group.objects.create(name="planners")
    group.permissions.add(changing)
    user, other = make_user("ada", "scheduling.change_scheduledjob"), make_user("bob", "scheduling.view_scheduledjob")
    groups.keep_operating(apps, None)
    assert "scheduling.operate_scheduledjob" in rights_of(group)
    assert user.user_permissions.filter(codename="operate_scheduledjob").exists()
    assert not other.user_permissions.filter(codename="operate_scheduledjob").exists()


@pytest.mark.django_db(transaction=True)
def test_an_older_database_gets_groups_and_rights() -> None:
    """As an upgrade finds it: rights that are new exist only when all migrations are through."""
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    executor.migrate([("crawlproject", None)])
    Permission.objects.filter(codename__in=("operate_scheduledjob", "export_item")).delete()
    Group.objects.all().delete()
    ContentType.objects.clear_cache()
    try:
        MigrationExecutor(connection).migrate(newest)
        assert {group.name: rights_of(group) for group in Group.objects.all()} == documented()
    finally:
        MigrationExecutor(connection).migrate(newest)


def test_who_gets_an_account_here_can_come_in(root: User, client: Client) -> None:
    client.force_login(root)
    page = client.get("/admin/auth/user/add/").content.decode()
    [box] = re.findall(r'<input[^>]*name="is_staff"[^>]*>', page)
    assert "checked" in box
    account = {"username": "vera", "password1": "lamp-lighter-7", "password2": "lamp-lighter-7"}
    client.post("/admin/auth/user/add/", account | {"is_staff": "on"})
    client.post("/admin/auth/user/add/", account | {"username": "program"})
    client.logout()
    for name, comes_in in (("vera", True), ("program", False)):
        assert client.login(username=name, password="lamp-lighter-7")
        assert (client.get("/admin/").status_code == 200) is comes_in
