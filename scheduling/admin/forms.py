"""A schedule as a form: what its document says, in fields."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crawlproject.web.forms import DocumentField
from scheduling import definitions, registry
from scheduling.definitions import JobValues
from scheduling.exceptions import InvalidJob
from scheduling.models import ScheduledJob

POLICIES = ("coalesce", "max_instances", "misfire_grace_time", "max_retries", "timeout", "jitter", "overlap")
# where a problem of the document is shown
FIELDS_OF_PLACES = {
    "trigger.seconds": "every",
    "trigger.cron": "cron",
    "trigger.run_date": "run_date",
    "trigger.timezone": "zone",
}


class ScheduledJobForm(forms.ModelForm[ScheduledJob]):
    """Checks by `parse_job`, as a file or the API is checked; `values` is what it found to be right."""

    KINDS = (
        ("interval", gettext_lazy("Every N seconds")),
        ("cron", gettext_lazy("Cron line")),
        ("date", gettext_lazy("Once")),
        ("document", gettext_lazy("As a document")),
    )
    handler = forms.ChoiceField(label=gettext_lazy("Handler"))
    job_data = DocumentField(
        label=gettext_lazy("Job data"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField ll-mono", "spellcheck": "false"}),
        help_text=gettext_lazy('For a crawl: {"type": "spider", "target": "NAME"}, or category, all, urls.'),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind of rule"), choices=KINDS)
    every = forms.IntegerField(label=gettext_lazy("Every (seconds)"), required=False)
    cron = forms.CharField(
        label=gettext_lazy("Cron line"),
        required=False,
        help_text=gettext_lazy("Minute, hour, day, month, weekday (Sunday is 0 and 7); with six fields seconds first."),
    )
    run_date = forms.CharField(label=gettext_lazy("Date and time"), required=False, help_text="2027-01-01T12:00:00")
    zone = forms.CharField(label=gettext_lazy("Time zone"), required=False)
    trigger_document = DocumentField(
        label=gettext_lazy("Trigger document"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField ll-mono", "spellcheck": "false"}),
    )
    values: JobValues | None = None

    class Meta:
        model = ScheduledJob
        fields = ("job_id", "name", "enabled", "note", *POLICIES)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if "name" not in self.fields:
            return  # shown, not edited
        names = registry.names()
        handler = self.instance.handler
        known = names if not handler or handler in names else [*names, handler]
        handler_field = self.fields["handler"]
        if isinstance(handler_field, forms.ChoiceField):
            handler_field.choices = [(name, name) for name in known]
        self.fields["name"].required = False
        self.fields["zone"].initial = settings.SCHEDULER_TIMEZONE
        if self.instance.pk:
            self.initial.update({"handler": handler, "job_data": self.instance.job_data})
            self.initial.update(_fields_of(self.instance.trigger))
        else:
            self.initial.setdefault("handler", "crawl")
            self.initial.setdefault("job_data", {"type": "spider", "target": ""})

    def clean(self) -> dict[str, object]:
        cleaned = dict(super().clean() or self.cleaned_data)
        if self.errors:
            return cleaned
        job_id = self.instance.job_id if self.instance.pk else cleaned["job_id"]
        if not self.instance.pk and ScheduledJob.objects.filter(job_id=job_id).exists():
            self.add_error("job_id", _("There is already a schedule of this id."))
        document = {
            "job_id": job_id,
            "name": cleaned.get("name") or job_id,
            "handler": cleaned["handler"],
            "job_data": {} if cleaned.get("job_data") is None else cleaned["job_data"],
            "enabled": cleaned["enabled"],
            "trigger": _trigger_of(cleaned),
            "policies": {name: cleaned.get(name) for name in POLICIES},
        }
        try:
            self.values = definitions.parse_job(document)
        except InvalidJob as error:
            for place, message in error.problems:
                self._add_problem(place, message, str(cleaned["kind"]))
        return cleaned

    def _post_clean(self) -> None:
        """Nothing: the values are checked by `parse_job` and written by `definitions`, not by the model."""

    def _add_problem(self, place: str, message: str, kind: str) -> None:
        head = place.split(".")[0].split("[")[0]
        name = place.removeprefix("policies.") if head == "policies" else FIELDS_OF_PLACES.get(place, head)
        if head == "trigger" and (kind == "document" or name not in self.fields):
            name = {"interval": "every", "cron": "cron", "date": "run_date"}.get(kind, "trigger_document")
        if name in self.fields:
            self.add_error(name, f"{place}: {message}" if place not in (name, f"policies.{name}") else message)
        else:
            self.add_error(None, f"{place}: {message}" if place else message)


def _fields_of(trigger: Mapping[str, object]) -> dict[str, object]:
    """A trigger's document as the form's fields; what they cannot say is shown as the document."""
    keys, kind = set(trigger), trigger.get("type")
    zone = trigger.get("timezone", settings.SCHEDULER_TIMEZONE)
    if kind == "interval" and keys == {"type", "seconds"}:
        return {"kind": "interval", "every": trigger["seconds"]}
    if kind == "cron" and keys <= {"type", "cron", "timezone"} and "cron" in keys:
        return {"kind": "cron", "cron": trigger["cron"], "zone": zone}
    if kind == "date" and keys <= {"type", "run_date", "timezone"}:
        return {"kind": "date", "run_date": trigger.get("run_date"), "zone": zone}
    return {"kind": "document", "trigger_document": dict(trigger)}


def _trigger_of(cleaned: Mapping[str, object]) -> object:
    kind = cleaned["kind"]
    zone = {"timezone": cleaned["zone"]} if cleaned.get("zone") else {}
    if kind == "interval":
        return {"type": "interval", "seconds": cleaned.get("every")}
    if kind == "cron":
        return {"type": "cron", "cron": cleaned.get("cron") or ""} | zone
    if kind == "date":
        return {"type": "date", "run_date": cleaned.get("run_date") or ""} | zone
    return cleaned.get("trigger_document") or {}
