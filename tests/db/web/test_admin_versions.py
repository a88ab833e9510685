"""The versions of a schedule: what changed, and back again."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from crawler import definitions as spiders
from crawler.models import Spider
from scheduling import definitions
from scheduling.exceptions import JobExists
from scheduling.models import DefinitionVersion, ScheduledJob

from .making import job_document, make_job, make_run, make_spider, make_user, spider_document

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
LIST = "/admin/scheduling/scheduledjob/"
VERSIONS = "/admin/scheduling/definitionversion/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def job(root: User) -> ScheduledJob:
    """Three versions: made, renamed, more retries."""
    make_job()
    for changes in ({"name": HOSTILE}, {"name": HOSTILE, "policies": {"max_retries": 7}}):
        definitions.save_job(definitions.parse_job(job_document(**changes)), user=root, comment=HOSTILE)
    return ScheduledJob.objects.get()


def text_of(web: Client, path: str) -> str:
    answer = web.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_each_version_tells_who_saved_it_and_what_it_changed(
    web: Client, job: ScheduledJob, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        page = text_of(web, f"{LIST}{job.pk}/history/")
    assert [page.index(f'id="v{number}"') for number in (3, 2, 1)] == sorted(
        page.index(f'id="v{number}"') for number in (1, 2, 3)
    )
    assert "<td>−</td><td>policies.max_retries: 3</td>" in page
    assert "<td>+</td><td>policies.max_retries: 7</td>" in page
    assert "root" in page
    assert HOSTILE not in page
    assert "In force" in page
    assert f"{LIST}{job.pk}/history/2/restore/" in page
    assert f"{LIST}{job.pk}/history/3/restore/" not in page


def test_the_page_to_restore_says_what_will_change_and_then_does_it(web: Client, job: ScheduledJob) -> None:
    path = f"{LIST}{job.pk}/history/1/restore/"
    page = text_of(web, path)
    assert "<td>−</td><td>policies.max_retries: 7</td>" in page
    assert "<td>+</td><td>name: &quot;Every night&quot;</td>" in page
    assert DefinitionVersion.objects.count() == 3
    answer = web.post(path)
    assert answer.headers["Location"] == f"{LIST}{job.pk}/history/"
    job.refresh_from_db()
    assert (job.name, job.max_retries, job.version) == ("Every night", 3, 4)
    assert DefinitionVersion.objects.get(number=4).user == User.objects.get(username="root")


def test_a_version_that_is_not_there_cannot_be_restored(web: Client, job: ScheduledJob) -> None:
    assert web.get(f"{LIST}{job.pk}/history/9/restore/").status_code == 404
    assert web.post(f"{LIST}{job.pk}/history/9/restore/").status_code == 404
    assert web.get(f"{LIST}{job.pk}/history/99999999999999999999/restore/").status_code == 404


def test_many_versions_are_paged(web: Client, job: ScheduledJob) -> None:
    for number in range(60):
        definitions.save_job(definitions.parse_job(job_document(name=f"n{number}")))
    page = text_of(web, f"{LIST}{job.pk}/history/")
    assert page.count('<section class="ll-card" id="v') == 50
    page = text_of(web, f"{LIST}{job.pk}/history/?page=2")
    assert page.count('<section class="ll-card" id="v') == 13
    assert "The first one that is kept." in page
    for odd in ("x", "0", "-1", "9" * 40):
        assert web.get(f"{LIST}{job.pk}/history/?page={odd}").status_code == 200


def test_the_list_of_all_versions_leads_to_the_schedules_page(web: Client, job: ScheduledJob) -> None:
    make_spider()
    page = text_of(web, VERSIONS)
    assert page.count(f"{LIST}{job.pk}/history/#v") == 3
    version = DefinitionVersion.objects.get(kind="job", number=2)
    assert f"{LIST}{job.pk}/history/#v2" in text_of(web, f"{VERSIONS}{version.pk}/change/")
    definitions.delete_job(job.job_id)
    assert f"{LIST}{job.pk}/" not in text_of(web, VERSIONS)


def test_versions_lead_to_what_they_are_versions_of_while_it_is_there_and_may_be_seen(
    client: Client, job: ScheduledJob, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    spider = make_spider()
    places = {"job": f"{LIST}{job.pk}/", "spider": f"/admin/crawler/spider/{spider.pk}/"}
    rights = {"job": "scheduling.view_scheduledjob", "spider": "crawler.view_spider"}
    pages = {kind: DefinitionVersion.objects.filter(kind=kind).latest("number") for kind in places}

    def seen(*permissions: str) -> set[str]:
        """The kinds of which list and page lead to the definition and to its versions."""
        client.force_login(
            make_user(f"user-{len(User.objects.all())}", "scheduling.view_definitionversion", *permissions)
        )
        with django_assert_max_num_queries(10):
            listed = text_of(client, VERSIONS)
        found = set()
        for kind, place in places.items():
            one, number = text_of(client, f"{VERSIONS}{pages[kind].pk}/change/"), pages[kind].number
            links = (f'href="{place}change/"', f'href="{place}history/#v{number}"')
            shown = {link in page for link in links for page in (listed, one)}
            assert len(shown) == 1, (kind, permissions)
            found |= {kind} if shown == {True} else set()
        return found

    assert seen(*rights.values()) == {"job", "spider"}
    assert seen(rights["job"]) == {"job"}
    assert seen(rights["spider"]) == {"spider"}
    assert seen() == set()
    definitions.delete_job(job.job_id)
    spiders.delete_spider(spider.name)
    assert seen(*rights.values()) == set()


def test_what_was_deleted_says_so_and_comes_back_from_a_versions_page(
    web: Client, root: User, client: Client, job: ScheduledJob
) -> None:
    spider = make_spider()
    assert "Its documents stay" in text_of(web, f"/admin/crawler/spider/{spider.pk}/delete/")
    assert "Its documents stay" in text_of(web, f"{LIST}{job.pk}/delete/")
    assert "/bring-back/" not in text_of(web, f"{VERSIONS}{DefinitionVersion.objects.get(kind='spider').pk}/change/")
    definitions.delete_job(job.job_id, user=root)
    spiders.delete_spider(spider.name, user=root)
    assert text_of(web, VERSIONS).count("<b>Deleted</b>") == 4, "on each version"
    for kind, model, right in (
        ("job", ScheduledJob, "scheduling.add_scheduledjob"),
        ("spider", Spider, "crawler.add_spider"),
    ):
        version = DefinitionVersion.objects.get(kind=kind, number=1)
        page, way = f"{VERSIONS}{version.pk}/change/", f"{VERSIONS}{version.pk}/bring-back/"
        client.force_login(make_user(f"{kind}-reader", "scheduling.view_definitionversion"))
        shown = text_of(client, page)
        assert "root" in shown
        assert way not in shown
        assert (client.get(way).status_code, client.post(way).status_code) == (403, 403)
        client.force_login(make_user(f"{kind}-adder", "scheduling.view_definitionversion", right))
        assert way in text_of(client, page)
        assert not model.objects.exists(), "looking brings nothing back"
        assert "root" in text_of(client, way)
        answer = client.post(way)
        assert answer.headers["Location"].endswith(f"/{model.objects.get().pk}/change/")
        assert client.get(way).status_code == 404, "it is there again"
    assert ScheduledJob.objects.get().name == "Every night"


def test_what_cannot_come_back_says_why(web: Client) -> None:
    make_spider()
    job = make_job(handler="crawl", job_data={"type": "spider", "target": "books"})
    definitions.delete_job(job.job_id)
    spiders.delete_spider("books")
    version = DefinitionVersion.objects.get(kind="job")
    answer = web.post(f"{VERSIONS}{version.pk}/bring-back/", follow=True)
    assert "There is no spider “books”" in answer.content.decode()
    assert not ScheduledJob.objects.exists()


def test_what_somebody_has_made_again_is_not_brought_back_over_it(job: ScheduledJob) -> None:
    """Who may add may not change; the page has looked before somebody else saved."""
    spider = make_spider(category="mended")
    for restore, name, error in (
        (definitions.restore_version, job.job_id, JobExists),
        (spiders.restore_spider_version, spider.name, spiders.SpiderExists),
    ):
        with pytest.raises(error):
            restore(name, 1, is_new=True)
    assert Spider.objects.get().category == "mended"
    assert ScheduledJob.objects.get().version == 3


def test_the_page_of_a_version_shows_what_it_changed(web: Client, job: ScheduledJob) -> None:
    version = DefinitionVersion.objects.get(kind="job", number=3)
    assert "<td>+</td><td>policies.max_retries: 7</td>" in text_of(web, f"{VERSIONS}{version.pk}/change/")


def test_a_spiders_versions_are_told_and_restored_too(web: Client, root: User) -> None:
    spider = make_spider()
    spiders.save_spider(spider_document(category="<b>other"), user=root)
    path = f"/admin/crawler/spider/{spider.pk}/history/"
    page = text_of(web, path)
    assert "<td>−</td><td>category: &quot;shops&quot;</td>" in page
    assert "<b>other" not in page
    assert "<td>+</td><td>category: &quot;shops&quot;</td>" in text_of(web, f"{path}1/restore/")
    assert web.post(f"{path}1/restore/").headers["Location"] == path
    spider.refresh_from_db()
    assert (spider.category, spider.version) == ("shops", 3)
    assert web.get(f"{path}9/restore/").status_code == 404
    assert web.get("/admin/crawler/spider/4711/history/").status_code == 404


def test_who_may_look_at_spiders_cannot_restore_them(client: Client) -> None:
    spider = make_spider()
    make_spider(category="other")
    path = f"/admin/crawler/spider/{spider.pk}/history/"
    client.force_login(make_user("ada", "crawler.view_spider"))
    assert "/restore/" not in text_of(client, path)
    assert (client.get(f"{path}1/restore/").status_code, client.post(f"{path}1/restore/").status_code) == (403, 403)
    client.force_login(make_user("bob", "scheduling.view_scheduledjob"))
    assert client.get(path).status_code == 403


def test_a_run_links_the_version_that_it_ran_and_what_was_in_its_way(web: Client, job: ScheduledJob) -> None:
    way = make_run(job)
    run = make_run(
        job, state="skipped", reason="overlap", in_way=way.pk, definition_version=2, code_version="1.2.3",
        requested_by=HOSTILE,
    )  # fmt: skip
    page = text_of(web, f"/admin/scheduling/jobrun/{run.pk}/change/")
    assert f"{LIST}{job.pk}/history/#v2" in page
    assert f"/admin/scheduling/jobrun/{way.pk}/change/" in page
    assert "1.2.3" in page
    assert page.index("It was skipped") < page.index("About this run")
    assert HOSTILE not in page


def test_who_may_look_cannot_restore(client: Client, job: ScheduledJob) -> None:
    client.force_login(make_user("ada", "scheduling.view_scheduledjob"))
    page = text_of(client, f"{LIST}{job.pk}/history/")
    assert "max_retries" in page
    assert "/restore/" not in page
    path = f"{LIST}{job.pk}/history/1/restore/"
    assert (client.get(path).status_code, client.post(path).status_code) == (403, 403)
    job.refresh_from_db()
    assert job.version == 3
