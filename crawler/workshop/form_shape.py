"""Which inputs the form of a spider has: the shape of its document, section by section."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

from django.utils.translation import gettext as _

from crawler.definitions import to_yaml
from crawler.engine.documents.item_rules import FIELD_KEYS, FIELD_SOURCES, ITEM_KEYS, is_name
from crawler.engine.documents.read_follow import FOLLOW_KEYS
from crawler.engine.records import Json
from crawler.engine.spider import FieldType, Limits, Manners, Session

from .form_inputs import (
    MORE,
    ON,
    Inputs,
    Say,
    fits_line,
    fits_text,
    lines_of,
    name_twice,
    read_list,
    rows_of,
    shown_secret,
    text_of,
)
from .form_parts import (
    Choice,
    Flag,
    Lines,
    NamedValues,
    Number,
    OneOf,
    Parts,
    Rows,
    Section,
    Shape,
    Text,
    TextOrSecret,
)

SPIDER_ORDER = (
    *("name", "enabled", "category", "start_urls", "sitemaps", "allowed_domains"),
    *("follow", "items", "session", "manners", "limits"),
)


@dataclass(frozen=True, slots=True)
class StartPages:
    """Addresses one a line, and requests with a body as YAML; the addresses stand first, as documents are written."""

    keys: tuple[str, ...] = ("start_urls",)

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = rest.get("start_urls")
        if not isinstance(value, list):
            if value is None:
                rest.pop("start_urls", None)
            return {"start_urls": "", "requests": ""}
        del rest["start_urls"]
        requests = [entry for entry in value if not fits_line(entry)]
        return {
            "start_urls": "\n".join(str(entry) for entry in value if fits_line(entry)),
            "requests": _list_as_yaml(requests) if requests else "",
        }

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found = [*lines_of(inputs, "start_urls"), *read_list(inputs, "requests", at, say)]
        return {"start_urls": found} if found else {}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        addresses = len(lines_of(inputs, "start_urls"))
        is_request = len(parts) > 1 and isinstance(parts[1], int) and parts[1] >= addresses
        return f"{at}-{'requests' if is_request else 'start_urls'}"


@dataclass(frozen=True, slots=True)
class Sitemaps:
    """The word ``robots``, or addresses one a line."""

    keys: tuple[str, ...] = ("sitemaps",)

    def show(self, rest: dict[str, Json]) -> Inputs:
        if rest.get("sitemaps") == "robots":
            del rest["sitemaps"]
            return {"sitemaps_robots": ON, "sitemaps": ""}
        return {"sitemaps_robots": "", **Lines("sitemaps").show(rest)}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found = Lines("sitemaps").take(inputs, at, say)
        if text_of(inputs, "sitemaps_robots") != ON:
            return found
        addresses = found.get("sitemaps")
        return {"sitemaps": ["robots", *addresses] if isinstance(addresses, list) else "robots"}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        return f"{at}-sitemaps"


@dataclass(frozen=True, slots=True)
class Credentials:
    """``{basic: {username, password: {secret}}}`` or ``{bearer: {secret}}``."""

    keys: tuple[str, ...] = ("auth",)

    def show(self, rest: dict[str, Json]) -> Inputs:
        value = rest.get("auth")
        if value is None:
            rest.pop("auth", None)
        found = _bearer_in(value) or _basic_in(value)
        if found is None:
            return {"auth_how": "", "auth_username": "", "auth_secret": ""}
        del rest["auth"]
        return {"auth_how": found[0], "auth_username": found[1], "auth_secret": found[2]}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        how, secret = text_of(inputs, "auth_how"), text_of(inputs, "auth_secret")
        if not how:
            return {}
        reference: Json = {"secret": secret}
        if how != "basic":
            return {"auth": {how: reference}}
        return {"auth": {"basic": {"username": text_of(inputs, "auth_username"), "password": reference}}}

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        if "username" in parts:
            return f"{at}-auth_username"
        return f"{at}-auth_secret" if {"secret", "password", "bearer"} & set(parts) else f"{at}-auth_how"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of an item type, a row each, and which of them are its key: a mark on the row.

    The key's own order is kept beside the rows; what was marked since comes after it, in the order of the rows.
    """

    shape: Shape
    keys: tuple[str, ...] = ("key", "fields")

    def show(self, rest: dict[str, Json]) -> Inputs:
        if rest.get("fields") in (None, {}):
            rest.pop("fields", None)
        rules = rest.get("fields")
        rows: list[Inputs] = []
        for name, rule in rules.items() if isinstance(rules, dict) else ():
            if not isinstance(rule, dict) or not fits_text(name):
                rows = []
                break
            rows.append({"name": name, **self.shape.show(rule)})
        if rows:
            del rest["fields"]
        key = self._key_in(rest, {str(row["name"]) for row in rows})
        for row in rows:
            row["is_key"] = ON if row["name"] in key else ""
        return {"fields": rows, "key_order": json.dumps(key, ensure_ascii=False)}

    def take(self, inputs: Inputs, at: str, say: Say) -> dict[str, Json]:
        found: dict[str, Json] = {}
        key: list[str] = []
        for index, row in enumerate(rows_of(inputs, "fields")):
            here = f"{at}-fields-{index}"
            name, rule = text_of(row, "name"), self.shape.take(row, here, say)
            if not name:
                if rule:
                    say(f"{here}-name", _("is missing; name the field"))
                continue
            if name in found:
                say(f"{here}-name", name_twice(name))
                continue
            found[name] = rule
            if text_of(row, "is_key") == ON:
                key.append(name)
        order = _order_in(text_of(inputs, "key_order"))
        key.sort(key=lambda name: order.get(name, len(order)))
        taken: dict[str, Json] = {"key": list(key)} if key else {}
        return taken | {"fields": found} if found else taken

    def locate(self, inputs: Inputs, parts: Parts, at: str) -> str:
        for index, row in enumerate(rows_of(inputs, "fields")):
            if len(parts) > 1 and parts[0] == "fields" and text_of(row, "name") == parts[1]:
                here = f"{at}-fields-{index}"
                is_of_name = len(parts) == 2 and not is_name(str(parts[1]))
                return f"{here}-name" if is_of_name else self.shape.locate(row, parts[2:], here)
        return f"{at}-fields"

    @staticmethod
    def _key_in(rest: dict[str, Json], names: set[str]) -> list[str]:
        """The key, where marks on rows can say it; else it stays where it is."""
        value = rest.get("key")
        if value is None or value == []:
            rest.pop("key", None)
            return []
        key = [name for name in value if isinstance(name, str) and name in names] if isinstance(value, list) else []
        if key != value or len(set(key)) != len(key):
            return []
        del rest["key"]
        return key


def _bearer_in(value: Json) -> tuple[str, str, str] | None:
    if not isinstance(value, dict) or list(value) != ["bearer"]:
        return None
    shown = shown_secret(value["bearer"])
    return ("bearer", "", shown[1]) if shown is not None and shown[0] == "secret" else None


def _basic_in(value: Json) -> tuple[str, str, str] | None:
    basic = value.get("basic") if isinstance(value, dict) and list(value) == ["basic"] else None
    if not isinstance(basic, dict) or basic.keys() != {"username", "password"}:
        return None
    username, shown = basic["username"], shown_secret(basic["password"])
    if not isinstance(username, str) or not (username == "" or fits_text(username)):
        return None
    return ("basic", username, shown[1]) if shown is not None and shown[0] == "secret" else None


def _order_in(text: str) -> Mapping[str, int]:
    """What a form of ours said of the key's order; nothing where somebody made it up."""
    try:
        names = json.loads(text) if len(text) < _LONGEST_ORDER else []
    except (ValueError, RecursionError):
        return {}
    names = names if isinstance(names, list) else []
    return {name: index for index, name in enumerate(names) if isinstance(name, str)}


_LONGEST_ORDER = 100_000


def _list_as_yaml(entries: list[Json]) -> str:
    text = to_yaml({"x": entries})
    return "\n".join(line.removeprefix("  ") for line in text.splitlines()[1:])


FIELD = Shape(
    parts=(
        OneOf(name="source", keys=FIELD_SOURCES, implied={"from": "url"}),
        Text("regex", lines=True),
        Choice("type", tuple(FieldType), FieldType.TEXT.value),
        Flag("required"),
        Flag("many"),
        Text("format"),
        Choice("decimal_mark", (".", ","), "."),
    ),
    order=FIELD_KEYS,
    anchor="source",
)
ITEM = Shape(
    parts=(
        Text("type"),
        Text("match", lines=True),
        OneOf(name="each", keys=("each", "each_json")),
        Flag("may_be_empty"),
        Fields(FIELD),
    ),
    order=ITEM_KEYS,
    anchor="type",
)
FOLLOW = Shape(
    parts=(
        OneOf(name="source", keys=("css", "xpath", "json")),
        Text("template"),
        Lines("allow"),
        Lines("deny"),
    ),
    order=FOLLOW_KEYS,
    anchor="source",
)
_MANNERS = Manners()
MANNERS = Shape(
    parts=(
        Flag("obey_robots", _MANNERS.obey_robots),
        Number("concurrency_per_host", _MANNERS.concurrency_per_host),
        Number("delay", int(_MANNERS.delay)),
        Flag("adaptive_throttle", _MANNERS.adaptive_throttle),
        Number("pages_per_day"),
        Lines("quiet_hours"),
        Flag("obey_nofollow", _MANNERS.obey_nofollow),
        Flag("obey_noindex", _MANNERS.obey_noindex),
        Flag("trust_lastmod", _MANNERS.trust_lastmod),
        Choice("canonical", ("ignore", "follow"), _MANNERS.canonical),
        Text("user_agent"),
        NamedValues("headers"),
    ),
    order=tuple(field.name for field in fields(Manners)),
    anchor=MORE,
)
SESSION = Shape(
    parts=(
        Flag("cookies", Session().cookies),
        NamedValues("set_cookies"),
        Credentials(),
        TextOrSecret("proxy"),
        Flag("verify_tls", Session().verify_tls),
    ),
    order=tuple(field.name for field in fields(Session)),
    anchor=MORE,
)
LIMITS = Shape(
    parts=(
        Number("max_pages"),
        Number("max_depth"),
        Number("max_seconds"),
        Number("max_bytes_per_page", Limits().max_bytes_per_page),
        Number("max_pages_per_host"),
        Number("max_pages_per_pattern"),
    ),
    order=tuple(field.name for field in fields(Limits)),
    anchor=MORE,
)
SPIDER = Shape(
    parts=(
        Text("name"),
        Flag("enabled", default=True),
        Text("category"),
        StartPages(),
        Sitemaps(),
        Lines("allowed_domains"),
        Rows("follow", FOLLOW),
        Rows("items", ITEM),
        Section("session", SESSION),
        Section("manners", MANNERS),
        Section("limits", LIMITS),
    ),
    order=SPIDER_ORDER,
    anchor="name",
)


def in_order(document: Mapping[str, Json]) -> dict[str, Json]:
    """The same document with its keys as they are written; fields, headers and the like keep the order they have."""
    whole = _in_order(document, SPIDER)
    for key, shape in (("follow", FOLLOW), ("items", ITEM)):
        rows = whole.get(key)
        if isinstance(rows, list):
            whole[key] = [_in_order(row, shape) if isinstance(row, dict) else row for row in rows]
    for key, shape in (("session", SESSION), ("manners", MANNERS), ("limits", LIMITS)):
        section = whole.get(key)
        if isinstance(section, dict):
            whole[key] = _in_order(section, shape)
    items = whole.get("items")
    for item in items if isinstance(items, list) else []:
        rules = item.get("fields") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(rules, dict):
            item["fields"] = {
                name: _in_order(rule, FIELD) if isinstance(rule, dict) else rule for name, rule in rules.items()
            }
    return whole


def _in_order(mapping: Mapping[str, Json], shape: Shape) -> dict[str, Json]:
    return {key: mapping[key] for key in shape.order if key in mapping} | dict(mapping)
