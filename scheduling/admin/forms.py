"""A schedule as a form: what its document says, in fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from typing import cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from crawlproject.web.forms import DocumentField
from scheduling import definitions, registry
from scheduling.conf import SchedulerSettings
from scheduling.definitions import JobValues
from scheduling.definitions.documents import CHECKS, NAME_LENGTH
from scheduling.exceptions import InvalidJob
from scheduling.models import DefinitionVersion, ScheduledJob

from . import rules, work

POLICIES = ("overlap", "max_instances", "misfire_grace_time", "coalesce", "max_retries", "timeout", "jitter")
BASED_ON = "_based_on"
"""The version that somebody began with: one that another person saved meanwhile is not lost unseen."""
PREVIEW = "_preview"
"""The button that shows the next firings instead of saving, for browsers without script."""
_IN_LIST = re.compile(r"\[(\d{1,6})\]\Z")
_ROOM = 20
"""Characters for what a copy's name has more than its original's."""
MONO = {"class": "vLargeTextField ll-mono", "spellcheck": "false"}


def _moment(label: StrOrPromise, help_text: StrOrPromise = "") -> forms.CharField:
    """A time of the rule's zone as written: what it means, the trigger says."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1})
    return forms.CharField(label=label, required=False, widget=widget, help_text=help_text)


class ScheduledJobForm(forms.ModelForm[ScheduledJob]):
    """Checks by `parse_job`, as a file or the API is checked; `values` is what it found to be right."""

    handler = forms.ChoiceField(label=gettext_lazy("Handler"))
    job_data = DocumentField(
        label=gettext_lazy("Job data"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **MONO}),
        help_text=gettext_lazy("What the handler is told, as in a definitions file."),
    )
    work_way = forms.ChoiceField(
        label=gettext_lazy("What it does"), required=False, choices=work.WAYS, widget=forms.RadioSelect
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind of rule"), choices=rules.KINDS, widget=forms.RadioSelect)
    every = forms.IntegerField(label=gettext_lazy("Every"), required=False, min_value=1)
    unit = forms.ChoiceField(label=gettext_lazy("Unit"), choices=rules.UNITS, required=False)
    minute = forms.IntegerField(
        label=gettext_lazy("At minute"), required=False, min_value=0, max_value=59, help_text=gettext_lazy("0 to 59")
    )
    at = forms.TimeField(
        label=gettext_lazy("At"),
        required=False,
        input_formats=["%H:%M", "%H:%M:%S"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    weekdays = forms.MultipleChoiceField(
        label=gettext_lazy("On"), required=False, choices=rules.WEEKDAYS, widget=forms.CheckboxSelectMultiple
    )
    cron = forms.CharField(
        label=gettext_lazy("Cron line"),
        required=False,
        widget=forms.TextInput(attrs=MONO),
        help_text=gettext_lazy("Minute, hour, day, month, weekday (Sunday is 0 and 7); with six fields seconds first."),
    )
    run_date = _moment(gettext_lazy("Date and time"))
    zone = forms.CharField(
        label=gettext_lazy("Time zone"), required=False, widget=forms.TextInput(attrs={"list": "ll-zones"})
    )
    start = _moment(gettext_lazy("Not before"), gettext_lazy("Empty: from now on."))
    end = _moment(gettext_lazy("Not after"), gettext_lazy("Empty: for ever."))
    trigger_document = DocumentField(
        label=gettext_lazy("Trigger document"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **MONO}),
        help_text=gettext_lazy("All that a definitions file can say, with start and end."),
    )
    values: JobValues | None = None
    user: User | AnonymousUser = AnonymousUser()
    """Who fills it in."""
    based_on: int = 0
    """The version that was shown."""

    class Meta:
        model = ScheduledJob
        fields = ("job_id", "name", "enabled", *POLICIES)
        labels = {
            "job_id": gettext_lazy("Id"),
            "name": gettext_lazy("Name"),
            "enabled": gettext_lazy("Fires by its rule"),
            "overlap": gettext_lazy("If a run is still going"),
            "max_instances": gettext_lazy("Runs at the same time"),
            "coalesce": gettext_lazy("One run for a whole gap"),
            "misfire_grace_time": gettext_lazy("Late by more than (seconds)"),
            "jitter": gettext_lazy("Spread over (seconds)"),
            "max_retries": gettext_lazy("Tries again after a failure"),
            "timeout": gettext_lazy("Stop a run after (seconds)"),
        }
        help_texts = {
            "job_id": gettext_lazy("Letters, digits, “-”, “_” and “.”. It stays."),
            "name": gettext_lazy("Empty: the id."),
            "enabled": gettext_lazy("Off: it runs only when somebody asks."),
            "overlap": gettext_lazy("Skip: this firing is left out, and recorded. Wait: it runs afterwards."),
            "max_instances": gettext_lazy("At most so many runs of this schedule."),
            "coalesce": gettext_lazy("When several firings are due at once, as after a downtime."),
            "misfire_grace_time": gettext_lazy("Then a firing counts as missed. Empty: it runs, however late."),
            "jitter": gettext_lazy("Starts up to so much later, so that not all start at once. Empty: on time."),
            "max_retries": gettext_lazy("After 1, 2, 4, 8 … seconds, at most a minute. 0: never."),
            "timeout": gettext_lazy("All its tries together. Empty: never."),
        }
        widgets = {"overlap": forms.RadioSelect}

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if not self.is_edited:
            return
        self.work = work.WorkForms(self.user)
        self.fields.update(self.work.fields())
        what = ("job_id", "name", "handler", "work_way", *self.work.names(), "job_data", "enabled")
        self.order_fields((*what, *rules.FIELDS, *POLICIES))  # as they stand on the page
        names = registry.names()
        handler = self.instance.handler
        known = names if not handler or handler in names else [*names, handler]
        handler_field = self.fields["handler"]
        if isinstance(handler_field, forms.ChoiceField):
            handler_field.choices = [(name, name) for name in known]
        self.fields["name"].required = False
        default = {"zone": str(settings.SCHEDULER_TIMEZONE)}
        self.fields["zone"].help_text = _("Empty: %(zone)s.") % default
        for name, value in _EXAMPLES.items():
            self.initial.setdefault(name, value)
        if self.instance.pk:
            self.initial.update(_shown(self.instance))
        else:
            self.initial.update(SchedulerSettings().job_defaults)
            self.initial.setdefault("handler", "crawl")
            self.initial.setdefault("kind", "daily")
            self.initial.update(default)
            given = kwargs.get("initial")
            self.initial.update(given if isinstance(given, Mapping) else {})
        self._begin_work()
        based_on = str(self.data.get(BASED_ON, ""))
        self.based_on = int(based_on) if based_on.isdecimal() and len(based_on) < 10 else self.instance.version

    def _begin_work(self) -> None:
        """What the handler is told, by its fields where they can say it."""
        handler, data = str(self.initial["handler"]), self.initial.get("job_data")
        values = self.work.values_of(handler, data)
        is_begun = data is None and self.work.has(handler)
        self.initial["work_way"] = work.AS_JSON if values is None and not is_begun else work.BY_FIELDS
        self.initial.update(values or {})

    @property
    def told_by_fields(self) -> bool:
        """Whether what the handler is told stands in its fields."""
        has_fields = self.work.has(str(self["handler"].value()))
        return has_fields and self["work_way"].value() == work.BY_FIELDS

    def work_groups(self) -> list[work.Group]:
        return self.work.groups(self)

    def handler_has_fields(self) -> bool:
        return self.work.has(str(self["handler"].value()))

    def suggestions(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Id and texts of each list that an input offers."""
        return work.suggested(self)

    @property
    def is_edited(self) -> bool:
        """False for those who may only look: the admin then leaves the row's own fields out."""
        return "name" in self.fields

    def is_valid(self) -> bool:
        """What is only looked at is never saved."""
        return super().is_valid() and PREVIEW not in self.data

    def full_clean(self) -> None:
        """What is wrong first has the keyboard when the form is shown again; where it is a group, the page says so."""
        super().full_clean()
        wrong = self.fields.get(self.first_wrong)
        if wrong is not None and not wrong.widget.use_fieldset:
            wrong.widget.attrs["autofocus"] = True

    @property
    def first_wrong(self) -> str:
        """The name of the field; empty where none is wrong."""
        return next((name for name in self.fields if name in self.errors), "")

    def clean(self) -> dict[str, object]:
        cleaned = dict(super().clean() or self.cleaned_data)
        for name in rules.unused(str(cleaned.get("kind"))):
            # Whatever stands in a field that is not shown is nobody's mistake.
            self.errors.pop(name, None)
        self._read_work(cleaned)
        for name, message in rules.missing(cleaned):
            if name not in self.errors:
                self.add_error(name, message)
        if self.instance.pk and self.based_on != self.instance.version:
            message = _(
                "Not saved: version %(number)d was saved while you were at it. Save again to put yours over it."
            )
            self.add_error(None, message % {"number": self.instance.version})
            self.based_on = self.instance.version
        if not self.instance.pk and ScheduledJob.objects.filter(job_id=cleaned.get("job_id", "")).exists():
            self.add_error("job_id", _("There is already a schedule of this id."))
        self._check(cleaned, unread=frozenset(self.errors))
        return cleaned

    def _read_work(self, cleaned: dict[str, object]) -> None:
        """Put what the handler's fields say in the place of the JSON that is not shown then."""
        handler = str(cleaned.get("handler") or "")
        unused = set(self.work.names())
        if self.told_by_fields:
            unused = unused.difference(self.work.names(handler)) | {"job_data"}
            cleaned["job_data"] = self.work.data_of(handler, cleaned)
        for name in unused:
            self.errors.pop(name, None)

    def _check(self, cleaned: Mapping[str, object], *, unread: frozenset[str]) -> None:
        """All that is wrong at once: what could not be read does not hide what is wrong elsewhere."""
        job_id = self.instance.job_id if self.instance.pk else cleaned.get("job_id") or "unnamed"
        document: dict[str, object] = {
            "job_id": job_id,
            "name": cleaned.get("name") or job_id,
            "handler": cleaned.get("handler"),
            "job_data": {} if cleaned.get("job_data") is None else cleaned["job_data"],
            "enabled": cleaned.get("enabled"),
            "trigger": rules.trigger_of(cleaned),
            "policies": {name: cleaned.get(name) for name in POLICIES if name not in unread},
        }
        try:
            values = definitions.parse_job(document)
            definitions.check_ahead(values, stored=self.instance.trigger if self.instance.pk else None)
        except InvalidJob as error:
            rule_is_unread = not unread.isdisjoint(rules.FIELDS)
            for place, message in error.problems:
                if not (rule_is_unread and place.startswith("trigger")):
                    self._add_problem(place, message, cleaned, unread)
        else:
            self.values = None if unread else values

    def trigger(self) -> Mapping[str, object] | None:
        """The rule as it stands in the fields; None where they do not say one."""
        if any(name in self.errors for name in rules.FIELDS):
            return None
        values: Mapping[str, object] = self.cleaned_data if self.is_bound else self.initial
        return rules.trigger_of(values)

    def kind_of_rule(self) -> str:
        values: Mapping[str, object] = self.cleaned_data if self.is_bound else self.initial
        return str(values.get("kind"))

    def _post_clean(self) -> None:
        """Nothing: the values are checked by `parse_job` and written by `definitions`, not by the model."""

    def _add_problem(self, place: str, message: str, cleaned: Mapping[str, object], unread: frozenset[str]) -> None:
        kind, head = str(cleaned.get("kind")), place.split(".")[0].split("[")[0]
        if head == "job_data" and self.told_by_fields:
            self._add_work_problem(place, message, cleaned)
            return
        if head == "trigger":
            name = rules.field_of(place, kind)
        elif head == "policies":
            name = place.removeprefix("policies.")
            # Without what is said to those who write documents.
            message = CHECKS[name](cleaned.get(name))
        else:
            name = head
        says_where = place in (name, f"policies.{name}") or (head == "trigger" and kind != "document")
        text = message if says_where or not place else f"{place}: {message}"
        if name not in unread:
            self.add_error(name if name in self.fields else None, text)

    def _add_work_problem(self, place: str, message: str, cleaned: Mapping[str, object]) -> None:
        name = self.work.field_at(str(cleaned.get("handler")), place, cleaned)
        line = _IN_LIST.search(place)
        if line is not None:
            message = _("Line %(number)d: %(what)s") % {"number": int(line[1]) + 1, "what": message}
        self.add_error(name, capfirst(message))


def copy_of(job: ScheduledJob) -> dict[str, object]:
    """What stands in the form of a new schedule that says the same. One query."""
    job_id = definitions.name_of_copy(DefinitionVersion.Kind.JOB, job.job_id, most=NAME_LENGTH)
    name = _("%(name)s (copy)") % {"name": job.name[: NAME_LENGTH - _ROOM]}
    kept = {field: getattr(job, field) for field in ("enabled", *POLICIES)}
    return kept | _shown(job) | {"job_id": job_id, "name": job_id if job.name == job.job_id else name}


def _shown(job: ScheduledJob) -> dict[str, object]:
    """What the form shows otherwise than the row has it."""
    timeout = job.timeout
    return {
        "handler": job.handler,
        "job_data": job.job_data,
        "timeout": int(timeout) if timeout is not None and timeout.is_integer() else timeout,
        **rules.fields_of(job.trigger),
    }


# what stands in the fields of the kinds that are not chosen
_EXAMPLES: Mapping[str, object] = {
    "every": 5,
    "unit": "minutes",
    "minute": 0,
    "at": time(2),
    "weekdays": ["1", "2", "3", "4", "5"],
    "cron": "0 2 * * *",
}


def as_form(form: forms.BaseForm) -> ScheduledJobForm:
    """The admin hands forms on as their base class."""
    return cast(ScheduledJobForm, form)
