"""Items that were not stored, or not as a whole."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crawler.engine.errors import Reason

from .cause import Severity, Unit, cause

SPOILT = (
    cause(
        "missing_required",
        Severity.TROUBLE,
        _("Items without a required field"),
        _("A field that is required had no value, so the item was not stored."),
        _("Open an example in the preview: correct the field's selector, or take required away."),
        Reason.MISSING_REQUIRED,
        unit=Unit.ITEMS,
    ),
    cause(
        "missing_key",
        Severity.TROUBLE,
        _("Items without a key"),
        _("A field of the key had no value, so the item could not be told from others and was not stored."),
        _("Open an example in the preview: correct the field's selector, or choose another key."),
        Reason.MISSING_KEY,
        unit=Unit.ITEMS,
    ),
    cause(
        "empty_field",
        Severity.WATCH,
        _("Fields that are always empty"),
        _("A field has no value in any item, or in nearly none."),
        _("Open a page of an item in the preview: correct the field's selector, or leave the field out."),
        unit=Unit.ITEMS,
    ),
    cause(
        "unreadable_value",
        Severity.TROUBLE,
        _("Values of the wrong type"),
        _("A value is not of its field's type, so it was left empty."),
        _("Open an example in the preview: take the value out with regex, or change type, format or decimal_mark."),
        Reason.UNREADABLE_VALUE,
        unit=Unit.VALUES,
    ),
    cause(
        "duplicate_key",
        Severity.WATCH,
        _("The same key twice on a page"),
        _("Several items of one page have the same key; the first was stored."),
        _("If they are different things, add the field that tells them apart to the key."),
        Reason.DUPLICATE_KEY,
        unit=Unit.ITEMS,
    ),
    cause(
        "key_conflict",
        Severity.WATCH,
        _("The same key on several pages"),
        _("Several pages give other values under one key; the item keeps those of the page it belongs to."),
        _("If they are different things, add a field to the key; else match only the pages that have the whole item."),
        Reason.KEY_CONFLICT,
        unit=Unit.ITEMS,
    ),
    cause(
        "none_read",
        Severity.TROUBLE,
        _("A kind of item of which none was read"),
        _("The crawl read no item of a kind of which there are ten or more; none of them was called gone for that."),
        _("If there may be none, tick may_be_empty; else correct the selectors of that kind, or its match."),
        Reason.NONE_READ,
        unit=Unit.ITEMS,
    ),
)
