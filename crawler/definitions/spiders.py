"""The one write path of spiders: each function is one transaction, and keeps a version of each document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crawler.engine.documents.definition import SpiderDefinition, dump, parse, parse_with_warnings
from crawler.engine.errors import DefinitionError, DefinitionProblem
from crawler.engine.messages import said
from crawler.exceptions import CrawlerError
from crawler.models import CrawlTask, Item, ItemVersion, Page, PinnedPage, Spider, TaskFailure, TaskSitemap
from crawler.secrets import missing_secrets
from scheduling.definitions import batched, record_removal, record_version, record_versions
from scheduling.definitions.differences import same
from scheduling.models import DefinitionVersion, JobRun, ScheduledJob

from .file import SpiderEntry

KIND = DefinitionVersion.Kind.SPIDER
ORDERED = ("fields",)
"""Mappings of a spider's document that a person has put in order: the columns of exports. A new order alone is saved
under the same version, since every page gives the same items."""
_ORDER = ("name", "enabled", "category", "start_urls")
"""As people write it; what comes after them keeps the engine's order, which is the same."""


class SpiderNotFound(CrawlerError):
    """There is no spider (or no version of it) of this name."""

    def __init__(self, name: str, number: int | None = None) -> None:
        what = f'there is no spider "{name}"' if number is None else f'spider "{name}" has no version {number}'
        super().__init__(what)
        self.name = name


class SpiderExists(CrawlerError):
    """There is already a spider of this name, and a new one was to be saved."""

    def __init__(self, name: str) -> None:
        super().__init__(f'there is already a spider "{name}"; choose another name, or change that one')
        self.name = name


class SpiderInUse(CrawlerError):
    """A spider that cannot be deleted now: the message says what stands in the way."""


def warnings(document: Mapping[str, object]) -> list[DefinitionProblem]:
    """What a valid document may, but probably should not say; and the secrets that it names and nobody has stored."""
    definition, found = parse_with_warnings(document)
    found.extend(
        DefinitionProblem(place, said('no secret is stored under "{name}" yet; set it in the admin', name=name))
        for place, name in missing_secrets(definition).items()
    )
    return found


def save_spider(
    document: Mapping[str, object],
    *,
    user: AbstractBaseUser | None = None,
    comment: str = "",
    name: str | None = None,
    is_new: bool = False,
) -> Spider:
    """Create the spider that `document` names, or change it. Saving what is stored already changes nothing.

    `name` is the spider that is being edited, where there is one: a document that names another is refused, because
    pages, items and versions stay with the name. With `is_new` it is created or nothing is saved: who did not know of
    it does not mean to change it.

    Raises:
        SpiderExists: with `is_new`, where there is one of that name.
        DefinitionError: with its problems.
    """
    definition = parse(document)
    if name is not None and definition.name != name:
        message = said(
            'a spider keeps its name: it is "{name}"; to rename it, save a new one and delete this one', name=name
        )
        raise DefinitionError([DefinitionProblem("name", message)])
    try:
        return _save(definition, user=user, comment=comment, is_new=is_new)
    except _Overtaken:
        return _save(definition, user=user, comment=comment, is_new=is_new)


def save_spiders(entries: Iterable[SpiderEntry], *, user: AbstractBaseUser | None, at: datetime) -> None:
    """Create or change many spiders inside the caller's transaction, which holds those that are there
    (`lock_spiders`); some statements for every few hundred of them.

    Raises:
        IntegrityError: somebody has just created one of them.
    """
    for part in batched(entries):
        documents = {entry.definition.name: entry.document for entry in part}
        stored = set(Spider.objects.filter(name__in=documents).values_list("name", flat=True))
        rows = {
            entry.definition.name: Spider(
                name=entry.definition.name,
                definition=entry.document,
                category=entry.definition.category,
                enabled=entry.definition.enabled,
            )
            for entry in part
        }
        # First their own rows: who creates one alone takes them in this order too.
        Spider.objects.bulk_create([row for name, row in rows.items() if name not in stored])
        numbers = record_versions(KIND, documents, user=user, at=at)
        changed = [row for name, row in rows.items() if name in stored or numbers[name] != row.version]
        for row in changed:
            row.version, row.pk = numbers[row.name], None
        Spider.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["definition", "category", "enabled", "version", "updated_at"],
        )


def state_of(spider: Spider) -> tuple[object, ...]:
    """What is another one after every change of a spider."""
    return spider.pk, spider.version, spider.updated_at


def lock_spiders(names: Iterable[str]) -> dict[str, tuple[object, ...]]:
    """Lock what is there of the spiders inside the caller's transaction; `state_of` each."""
    found: dict[str, tuple[object, ...]] = {}
    for part in batched(sorted(names)):
        spiders = Spider.objects.select_for_update().filter(name__in=part).order_by("name")
        found |= {spider.name: state_of(spider) for spider in spiders.only("name", "version", "updated_at")}
    return found


def set_enabled(name: str, *, enabled: bool, user: AbstractBaseUser | None = None) -> bool:
    """Let crawls of all spiders and of its category take a spider along, or leave it out: a new version of its
    document. Says whether that changed anything.

    Raises:
        SpiderNotFound
        DefinitionError: this release does not take its document any more.
    """
    with transaction.atomic():
        # Held until the save: what somebody else saves in this moment is not undone.
        spider = _locked(name)
        if spider is None:
            raise SpiderNotFound(name)
        if spider.enabled is enabled:
            return False
        save_spider({**spider.definition, "enabled": enabled}, user=user, name=name)
    return True


def users_of(name: str) -> tuple[list[ScheduledJob], JobRun | None]:
    """What keeps a spider from being deleted: the schedules that crawl it alone, and the run that does or will."""
    run = JobRun.objects.filter(exclusive_key=f"spider:{name}", state__in=JobRun.ACTIVE).order_by("pk").first()
    return _jobs_of(name), run


def delete_spider(name: str, *, user: AbstractBaseUser | None = None) -> None:
    """Remove a spider with its pages, items and tasks. Its documents' versions stay: `restore_spider_version`.

    Raises:
        SpiderNotFound
        SpiderInUse: a crawl of it waits or runs, or a schedule crawls it.
    """
    with transaction.atomic():
        spider = _locked(name)
        if spider is None:
            raise SpiderNotFound(name)
        jobs, run = users_of(name)
        if jobs:
            listed = ", ".join(f'"{job.job_id}"' for job in jobs)
            raise SpiderInUse(f'spider "{name}" is crawled by the schedule {listed}; change or delete that first')
        if run is not None:
            raise SpiderInUse(f'spider "{name}" is being crawled by run #{run.pk}; cancel it, or wait for its end')
        _delete_what_it_found(spider)
        spider.delete()
        record_removal(KIND, name, at=timezone.now(), by="" if user is None else user.get_username())


def restore_spider_version(
    name: str, number: int, *, user: AbstractBaseUser | None = None, is_new: bool = False
) -> Spider:
    """Save an older version of a spider's document again; also that of a spider that was deleted: with `is_new` of such
    a one alone.

    Raises:
        SpiderNotFound: there is no such version.
        SpiderExists: with `is_new`, where somebody has made it again.
        DefinitionError: this release does not take it any more.
    """
    kept = DefinitionVersion.objects.filter(kind=KIND, key=name, number=number).first()
    if kept is None:
        raise SpiderNotFound(name, number)
    comment = _("Version %(number)d restored.") % {"number": number}
    return save_spider(kept.document, user=user, comment=comment, name=name, is_new=is_new)


def dump_spider(spider: Spider) -> dict[str, object]:
    """A spider's document: keys in their usual order, defaults left out, secrets by name alone."""
    try:
        document = dump(parse(spider.definition))
    except DefinitionError:
        # Stored by a release that took what this one refuses: shown as it is, so that it can be mended.
        document = dict(spider.definition)
    return {key: document[key] for key in _ORDER if key in document} | document


class _Overtaken(Exception):
    """Somebody created the spider between our look and our insert."""


def _save(definition: SpiderDefinition, *, user: AbstractBaseUser | None, comment: str, is_new: bool) -> Spider:
    document = dump(definition)
    with transaction.atomic():
        spider = _locked(definition.name)
        if spider is not None and is_new:
            raise SpiderExists(definition.name)
        if spider is not None and same(spider.definition, document, ordered=ORDERED):
            return spider
        found, spider = spider, spider or Spider(name=definition.name)
        spider.definition = document
        spider.category = definition.category
        spider.enabled = definition.enabled
        if found is None:
            _insert(spider)
        spider.version = record_version(KIND, definition.name, document, user=user, comment=comment)
        spider.save(update_fields=["definition", "category", "enabled", "version", "updated_at"])
        return spider


def _insert(spider: Spider) -> None:
    try:
        with transaction.atomic():
            spider.save(force_insert=True)
    except IntegrityError as error:
        raise _Overtaken from error


def _locked(name: str) -> Spider | None:
    return Spider.objects.select_for_update().filter(name=name).first()


def _jobs_of(name: str) -> list[ScheduledJob]:
    """Schedules whose target is this spider alone; those of a category or of all go on without it."""
    named = models.Q(job_data__type="spider", job_data__target=name) | models.Q(
        job_data__type="urls", job_data__spider=name
    )
    return list(ScheduledJob.objects.filter(named, handler="crawl").order_by("job_id"))


def _delete_what_it_found(spider: Spider) -> None:
    """By one statement a table, in the order of the references: collecting millions of rows would take them all into
    memory. No signal of these models is listened to."""
    using = spider._state.db or "default"
    for rows in (
        ItemVersion.objects.filter(item__spider=spider),
        Item.objects.filter(spider=spider),
        Page.objects.filter(spider=spider),
        PinnedPage.objects.filter(spider=spider),
        TaskFailure.objects.filter(task__spider=spider),
        TaskSitemap.objects.filter(task__spider=spider),
        CrawlTask.objects.filter(spider=spider),
    ):
        rows._raw_delete(using)
