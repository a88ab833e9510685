"""The spider's page: one draft in all its tabs, problems at their inputs, and a save that loses nothing."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crawler import definitions
from crawler.admin import pinned
from crawler.models import CrawlTask, Spider
from crawler.workshop.form_labels import LABELS, by_label
from scheduling.models import DefinitionVersion

from .answers import Answer, messages_of
from .making import make_spider, make_user, spider_document
from .test_hostile_content import EVIL, FORMS, RAW
from .workshop import PREVIEW, plain

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
SPIDERS = "/admin/crawler/spider/"
MOST_QUERIES = 10
RICH: dict[str, object] = {
    "name": "books",
    "category": "shops",
    "start_urls": [
        "https://shop.example/",
        {"url": "https://shop.example/search", "form": {"q": "a b", "t": ["x", "y"]}},
    ],
    "sitemaps": ["https://shop.example/sitemap.xml"],
    "allowed_domains": ["shop.example", "cdn.example"],
    "follow": [
        {"css": "li.next a", "allow": ["/a/", " b"], "deny": ["c"]},
        {"json": "next", "template": "/api?page={}"},
    ],
    "items": [
        {
            "type": "book",
            "match": r"/book/\d+$",
            "each": "//article",
            "key": ["b.c", "title"],
            "fields": {
                "title": {"css": "h1::text", "regex": "(?s)a\nb", "required": True},
                "b.c": {"xpath": ".//td", "type": "decimal", "decimal_mark": ","},
                "said": {"css": "time", "type": "date", "format": "%d.%m.%Y", "many": True},
                "page": {"from": "url"},
            },
        },
        {"type": "main", "key": ["x"], "fields": {"x": {"jsonld": "A.b"}, "text": {"type": "article"}}},
    ],
    "session": {
        "cookies": True,
        "set_cookies": {"a": "", "b": {"secret": "c"}},
        "auth": {"basic": {"username": "ada", "password": {"secret": "shop"}}},
        "proxy": {"secret": "proxy"},
        "verify_tls": False,
    },
    "manners": {
        "obey_robots": False,
        "delay": 0.25,
        "adaptive_throttle": True,
        "pages_per_day": 500,
        "quiet_hours": ["08:00-20:00", "22:00-23:00"],
        "canonical": "follow",
        "user_agent": "Watch/1.0",
        "headers": {"X-B": "1", "Accept": {"secret": "token"}},
    },
    "limits": {"max_pages": 10, "max_seconds": 1.5, "max_bytes_per_page": 1_000, "max_pages_per_host": 5},
}


@pytest.fixture
def web(root: User, client: Client) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def spider(db: None) -> Spider:
    return make_spider()


def path_of(spider: Spider) -> str:
    return f"{SPIDERS}{spider.pk}/change/"


class _Inputs(HTMLParser):
    """What a browser would send of the workshop's form, no button pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self._select = self._textarea = ""
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._is_inside = given.get("id") == "spider_form"
        if not self._is_inside:
            return
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.data[name] = given.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.data):
            self.data[self._select] = given["value"]
        elif tag == "textarea":
            self._textarea, self.data[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.data[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea:
            self.data[self._textarea] = self.data[self._textarea].removeprefix("\n").replace("\n", "\r\n")
            self._textarea = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._is_inside = False


def inputs_of(answer: Answer) -> dict[str, str]:
    reader = _Inputs()
    reader.feed(answer.content.decode())
    reader.data.pop("csrfmiddlewaretoken", None)
    return reader.data


def told(answer: Answer) -> list[tuple[str, str]]:
    """The input and the message of each problem."""
    assert answer.status_code == 200
    return [(problem.control, problem.message) for problem in answer.context["problems"]]


# --- one draft in all tabs --------------------------------------------------------------------------------------------
def test_the_page_sends_back_what_it_shows(web: Client) -> None:
    spider = definitions.save_spider(RICH)
    shown = web.get(path_of(spider))
    answer = web.post(path_of(spider), inputs_of(shown) | {"_tab": "yaml"})
    assert json.dumps(answer.context["draft"].document) == json.dumps(definitions.dump_spider(spider))
    answer = web.post(path_of(spider), inputs_of(answer) | {"_tab": "form"})
    answer = web.post(path_of(spider), inputs_of(answer) | {"_tab": "pick"})
    answer = web.post(path_of(spider), inputs_of(answer) | {"_tab": "pinned"})
    answer = web.post(path_of(spider), inputs_of(answer) | {"_tab": "form"})
    answer = web.post(path_of(spider), inputs_of(answer) | {"_save": "1"})
    assert answer.status_code == 302, told(answer)
    spider.refresh_from_db()
    assert spider.version == 1


def test_a_draft_goes_from_tab_to_tab_without_a_save(web: Client, spider: Spider) -> None:
    page = web.get(path_of(spider))
    assert 'aria-current="page" autofocus' not in page.content.decode()
    data = inputs_of(page)
    data["w-items-0-fields-1-source"] = "p.price["
    data["w-category"] = "书店"
    for tab in ("yaml", "pick", "pinned", "form"):
        answer = web.post(path_of(spider), data | {"_tab": tab})
        assert f'value="{tab}" aria-current="page" autofocus' in answer.content.decode()
        data = inputs_of(answer)
    assert data["w-items-0-fields-1-source"] == "p.price["
    assert data["w-category"] == "书店"
    spider.refresh_from_db()
    assert spider.category == "shops"


@pytest.mark.parametrize("is_new", [False, True])
def test_who_has_changed_nothing_is_asked_nothing_on_leaving(web: Client, is_new: bool) -> None:
    """The page itself asks, where this mark is on its form."""
    path = f"{SPIDERS}add/" if is_new else path_of(definitions.save_spider(RICH))
    data = inputs_of(web.get(path))
    for tab in ("yaml", "pick", "pinned", "form"):
        answer = web.post(path, data | {"_tab": tab})
        assert "data-unsaved" not in answer.content.decode(), tab
        data = inputs_of(answer)
    answer = web.post(path, data | {"w-category": "other", "_tab": "yaml"})
    assert "data-unsaved" in answer.content.decode()
    answer = web.post(path, {"_view": "yaml", "text": "name: [", "_tab": "yaml"})
    assert "data-unsaved" in answer.content.decode()


def test_a_new_spider_is_made_by_the_form(web: Client) -> None:
    data = inputs_of(web.get(f"{SPIDERS}add/"))
    answer = web.post(
        f"{SPIDERS}add/", data | {"w-name": "fresh", "w-start_urls": "https://fresh.example/", "_save": "1"}
    )
    spider = Spider.objects.get()
    assert (spider.name, answer.headers["Location"]) == ("fresh", path_of(spider))
    assert messages_of(answer) == ["Saved: version 1 of “fresh”."]
    assert DefinitionVersion.objects.get().user == User.objects.get(username="root")


def test_what_cannot_be_read_stays_in_the_tab_of_yaml(web: Client, spider: Spider) -> None:
    answer = web.post(path_of(spider), {"_view": "yaml", "text": "name: [", "_tab": "form"})
    assert inputs_of(answer)["text"] == "name: ["
    assert inputs_of(answer)["_view"] == "yaml"
    page = plain(answer.content.decode())
    assert "cannot be shown as a form" in page
    assert "to be mended. in the YAML " in page
    assert "in the form" not in page


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("button", "value", "focus", "names"),
    [
        ("_add", "w-items-0-fields", "w-items-0-fields-2-name", ["title", "price", ""]),
        ("_remove", "w-items-0-fields-0", "w-items-0-fields-add", ["price"]),
        ("_up", "w-items-0-fields-1", "w-items-0-fields-0-down", ["price", "title"]),
        ("_down", "w-items-0-fields-0", "w-items-0-fields-1-up", ["price", "title"]),
        ("_up", "w-items-0-fields-0", "", ["title", "price"]),
        ("_remove", "w-items-0-fields-9", "", ["title", "price"]),
        ("_add", "w-name", "", ["title", "price"]),
        ("_down", "nonsense", "", ["title", "price"]),
    ],
)
def test_rows_change_by_buttons_and_the_focus_follows(
    web: Client, spider: Spider, button: str, value: str, focus: str, names: list[str]
) -> None:
    data = inputs_of(web.get(path_of(spider)))
    answer = web.post(path_of(spider), data | {button: value})
    page = answer.content.decode()
    assert re.findall(r'id="w-items-0-fields-\d+-name" name="\S+" value="(\w*)"', page) == names
    if focus:
        assert re.search(rf'id="{focus}"[^>]* autofocus', page)
    as_part = web.post(path_of(spider), data | {button: value}, headers={"X-Requested-With": "fetch"}).content.decode()
    assert "<html" not in as_part
    assert re.findall(r'id="w-items-0-fields-\d+-name" name="\S+" value="(\w*)"', as_part) == names


@pytest.mark.parametrize(
    ("button", "aim"),
    [
        ("w-items-0-fields-1", '["items",0,"fields","cost"]'),
        ("w-items-0-each", '["items",0,"each"]'),
        ("w-follow-0", '["follow",0]'),
    ],
)
def test_what_is_picked_by_pointing_takes_the_draft_along(web: Client, spider: Spider, button: str, aim: str) -> None:
    data = inputs_of(web.get(path_of(spider))) | {"w-category": "new", "w-items-0-fields-1-name": "cost"}
    answer = web.post(path_of(spider), data | {"_point": button})
    assert answer.context["tab"] == "pick"
    assert yaml.safe_load(inputs_of(answer)["text"])["category"] == "new"
    assert inputs_of(answer)["pick_aim"].replace(", ", ",") == aim


@pytest.mark.parametrize(
    "button", ["w-items-0-fields-2", "w-items-0-fields-9", "w-items-9-each", "w-follow-7", "w-name", "x"]
)
def test_what_has_no_name_yet_is_not_picked(web: Client, spider: Spider, button: str) -> None:
    data = inputs_of(web.get(path_of(spider))) | {"w-items-0-fields-2-source": "a", "w-items-0-fields-2-name": ""}
    data.pop("w-items-0-fields-2-source")
    answer = web.post(path_of(spider), data | {"_point": button})
    assert answer.context["tab"] == "form"
    assert "Name the field first" in answer.content.decode()


# --- problems ---------------------------------------------------------------------------------------------------------
def test_each_problem_stands_at_its_input_and_in_a_note_that_leads_there(web: Client, spider: Spider) -> None:
    wrong = {
        "w-items-0-fields-0-source": "h1::txt",
        "w-items-0-fields-1-regex": "a**",
        "w-follow-0-source": "a[",
        "w-manners-delay": "soon",
        "w-start_urls": "ftp://a.example/",
        "w-items-0-match": "(?=a)",
    }
    answer = web.post(path_of(spider), inputs_of(web.get(path_of(spider))) | wrong | {"_save": "1"})
    page = answer.content.decode()
    assert {control for control, _message in told(answer)} == set(wrong)
    for control in wrong:
        assert f'<a href="#{control}">' in page
        [tag] = re.findall(rf'<(?:input|textarea)[^>]* id="{control}"[^>]*>', page)
        assert 'aria-invalid="true"' in tag
        assert f'aria-describedby="{control}-e' in tag
        assert page.count(f'id="{control}-e"') == 1
    assert "“::txt” is not known. Did you mean “::text”?" in page
    assert "look-ahead is not supported; capture the wanted part in a group instead" in page
    spider.refresh_from_db()
    assert spider.version == 1


def test_sections_say_what_they_hold_while_something_else_is_wrong(web: Client, spider: Spider) -> None:
    filled = {"w-session-auth_how": "bearer", "w-session-auth_secret": "token", "w-sitemaps_robots": "1"}
    wrong = {"w-items-0-fields-0-source": "h1::txt", "w-limits-max_pages": "many"}
    answer = web.post(path_of(spider), inputs_of(web.get(path_of(spider))) | filled | wrong | {"_save": "1"})
    assert answer.context["refused"]
    assert answer.context["summary"] == {
        "manners": "obeys robots.txt · 5 connections · no delay",
        "limits": "",  # it is open, and says what is wrong
        "session": "credentials",
        "sitemaps": "those that robots.txt names",
    }


def test_another_view_goes_on_fetching_what_the_one_before_had_begun_to(web: Client) -> None:
    data = inputs_of(web.get(f"{SPIDERS}add/")) | {"_tab": "yaml"}
    assert "data-at-once" not in web.post(f"{SPIDERS}add/", data).content.decode(), (
        "nobody has said that the site may be asked"
    )
    assert "data-at-once" in web.post(f"{SPIDERS}add/", data | {"_fetching": "1"}).content.decode()


def test_the_form_names_its_inputs_by_their_labels_and_yaml_by_its_keys(web: Client, spider: Spider) -> None:
    data = inputs_of(web.get(path_of(spider)))
    wrong = {
        "w-start_urls": "https://shop.example/\nftp://a.example/",
        "w-manners-delay": "soon",
        "w-session-auth_how": "bearer",
        "w-items-0-fields-1-regex": "a**",
    }
    answer = web.post(path_of(spider), data | wrong | {"_save": "1"})
    places = {problem.control: problem.place for problem in answer.context["problems"]}
    name = data["w-items-0-fields-1-name"]
    assert places == {
        "w-start_urls": "Start pages · line 2",
        "w-manners-delay": "Delay",
        "w-session-auth_secret": "Name of the secret",
        "w-items-0-fields-1-regex": f"Field {name} · regex",
    }
    beside = web.post(PREVIEW, data | wrong).content.decode()
    assert "Start pages · line 2: " in beside
    assert "manners.delay" not in beside
    answer = web.post(path_of(spider), data | wrong | {"_tab": "yaml"})
    assert "manners.delay" in {problem.place for problem in answer.context["problems"]}


def test_a_key_that_is_missing_is_told_by_the_tick_and_the_input_that_ask_for_it(web: Client, spider: Spider) -> None:
    data = inputs_of(web.get(path_of(spider)))
    keyless = {name: value for name, value in data.items() if not name.endswith("-is_key")}
    answer = web.post(path_of(spider), keyless | {"w-items-0-each": "li", "_save": "1"})
    [problem] = answer.context["problems"]
    said = "is missing; with “One item for each” a page gives several items, name the fields that tell them apart"
    assert (problem.control, problem.place, problem.message) == ("w-items-0-fields", "part of the key", said)


def test_each_label_is_that_of_the_form(web: Client) -> None:
    """Each is written twice: in a template, and where sentences name it."""
    page = web.get(path_of(definitions.save_spider(RICH))).content.decode()
    seen = set()
    for control in re.findall(r' id="w-([\w-]+)"', page):
        way = re.sub(r"-\d+", "", control)
        label = LABELS.get(way)
        if label is None or way in seen:
            continue
        seen.add(way)
        text = html.escape(str(label))
        here = re.search(rf'id="w-{control}"[^>]*>\s*(?:<span>)?{text}|id="w-{control}"[^>]* aria-label="{text}"', page)
        before = re.search(rf'<label for="w-{control}">{text}|<label>{text} <[^>]* id="w-{control}"', page)
        section = re.search(rf'data-section="{way}"><summary>.*?</svg>{text}<', page)
        assert here or before or section, way
    assert set(LABELS) - seen <= {"name", "follow-template"}, "what the form has no more"


def test_a_remedy_names_inputs_where_keys_stand() -> None:
    assert by_label("Crawl gently: set manners.delay, or adaptive_throttle: true.") == (
        "Crawl gently: set “Delay”, or “Find out what the host takes well”: on."
    )
    assert by_label("请设置manners.trust_lastmod: false。") == (
        "请设置“Let pages rest that their sitemap calls unchanged”: off。"
    )
    assert by_label("the secret of session.auth.basic.username.") == "the secret of “User name”."
    assert by_label("manners.nothing stays") == "manners.nothing stays"
    assert by_label("set manners.canonical: ignore.") == (
        "set “Pages that name another as canonical”: “are read like others”."
    )


@pytest.mark.parametrize(
    ("tab", "wrong", "warned"),
    [
        ("form", '<a href="#w-limits-max_pages">Pages of a crawl</a>', "Check certificates"),
        ("pick", "<b>Pages of a crawl</b>", "Check certificates"),
        ("yaml", '<a href="#id_text">limits.max_pages</a>', "session.verify_tls"),
    ],
)
def test_what_is_told_begins_with_what_the_view_calls_its_place(
    web: Client, spider: Spider, tab: str, wrong: str, warned: str
) -> None:
    def saved(most: int) -> Answer:
        document = spider_document() | {"session": {"verify_tls": False}, "limits": {"max_pages": most}}
        data = {"_view": tab, "text": definitions.to_yaml(document)}
        if tab == "form":
            data = inputs_of(web.post(path_of(spider), data | {"_view": "yaml", "_tab": "form"}))
        return web.post(path_of(spider), data | {"_save": "1"})

    assert wrong in saved(-1).content.decode()
    assert messages_of(saved(1))[1].startswith(f"{warned}: false: certificates are not checked")


@pytest.mark.parametrize(
    ("data", "english", "chinese"),
    [
        ({"w-items-0-fields-0-source": "h1::txt"}, "Did you mean “::text”?", "是否想写 “::text”"),
        ({"w-items-0-fields-0-source": "h1["}, "at character 4, a name is missing", "第 4 个字符"),
        ({"w-items-0-fields-0-source_how": "xpath", "w-items-0-fields-0-source": "//a["}, "is missing", "缺少"),
        ({"w-items-0-fields-0-regex": "(a"}, "is not closed; write “)”", "“)”"),
        ({"w-items-0-match": "(?<=a)b"}, "look-behind is not supported", "不支持"),
        ({"w-items-0-more": "kei: [a]"}, "did you mean “key”?", "“key”"),
        ({"w-items-0-fields-0-is_key": "1", "w-items-0-more": "key: [x]"}, "leave it out here", "“key”"),
        ({"w-manners-quiet_hours": "8-20"}, "write it as “08:00-20:00”", "08:00-20:00"),
        ({"w-manners-delay": "soon"}, "give 0 to 3600", "0 到 3600"),
        ({"w-start_urls": "shop"}, "write it as https://host/path", "https://host/path"),
        ({"w-session-auth_how": "bearer"}, "is empty; give a value", "为空"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy_in_both_languages(
    web: Client, spider: Spider, data: dict[str, str], english: str, chinese: str
) -> None:
    whole = inputs_of(web.get(path_of(spider))) | data | {"_save": "1"}
    for language, words, first in (("en", english, "Not saved. 1 "), ("zh-hans", chinese, "未保存。有 1 ")):
        answer = web.post(path_of(spider), whole, headers={"Accept-Language": language})
        assert first in answer.content.decode()
        said = " ".join(message for _control, message in told(answer))
        assert words in said
        assert bool(re.search(r"[一-龥]", said)) is (language != "en")


def test_a_problem_of_yaml_names_its_line(web: Client, spider: Spider) -> None:
    text = "name: books\nstart_urls: [https://a.example/]\nfollow:\n  - css: 'a['\n"
    page = web.post(path_of(spider), {"_view": "yaml", "text": text, "_save": "1"}).content.decode()
    assert re.search(r'<a href="#id_text">follow\[0\]\.css</a> <span[^>]*>line 4</span>', page)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({f"w-follow-{index}-source": "a" for index in range(5_000)}, "too large for a form"),
        ({"w-nothing": "1"}, "w-nothing"),
        ({"w-items-zero-type": "1"}, "w-items-zero-type"),
        ({"w-items--1-type": "1"}, "w-items--1-type"),
        ({"w-items-0-fields-0-name": "a" * 100_000}, "is not a name"),
        ({"w-items-0-key_order": "[" * 50_000, "w-items-0-type": "t"}, "name at least one field"),
        ({"w-more": "a: &a [*a]"}, "stands within itself"),
        ({"w-manners-delay": "9" * 10_000}, "give 0 to 3600"),
    ],
    ids=["5,000 rows", "unknown", "no number", "negative", "long", "deep", "endless", "huge"],
)
def test_what_no_browser_sends_is_an_error_of_the_form(
    web: Client, spider: Spider, data: dict[str, str], says: str
) -> None:
    post = {"_view": "form", "w-name": "books", "w-start_urls": "https://a.example/", "_save": "1"}
    answer = web.post(path_of(spider), post | data)
    assert answer.status_code == 200
    assert says in "\n".join([message for _control, message in told(answer)] + [str(answer.context["notice"])])
    spider.refresh_from_db()
    assert spider.version == 1


def test_a_definition_of_a_few_hundred_fields_is_edited_as_a_form_and_a_larger_one_as_yaml(web: Client) -> None:
    def with_fields(count: int) -> dict[str, object]:
        fields = {f"f{number}": {"css": "a"} for number in range(count)}
        return spider_document(items=[{"type": "t", "fields": fields}])

    spider = definitions.save_spider(with_fields(220))
    data = inputs_of(web.get(path_of(spider)))
    answer = web.post(path_of(spider), data | {"w-items-0-fields-219-source": "b", "_save": "1"})
    assert answer.status_code == 302
    spider.refresh_from_db()
    assert definitions.dump_spider(spider)["items"][0]["fields"]["f219"] == {"css": "b"}  # type: ignore[index]
    definitions.save_spider(with_fields(640))
    answer = web.get(path_of(spider))
    assert answer.context["tab"] == "yaml"
    assert "too large for a form" in answer.content.decode()


def test_what_others_wrote_stays_text(web: Client) -> None:
    fields: dict[str, object] = {"<b>x</b>": {"css": EVIL, "regex": EVIL}, "y": {"css": "a", "note<i>": EVIL}}
    document = spider_document(category=EVIL, items=[{"type": EVIL, "fields": fields}], note=EVIL)
    spider = Spider.objects.create(name="books", definition=document)
    for tab in ("form", "yaml"):
        text = web.get(f"{path_of(spider)}?tab={tab}").content.decode()
        assert not RAW.search(text)
        assert "<b>x" not in text
        assert "<i>" not in text
        assert not set(FORMS.sub("", text)) & set(EVIL[-2:])


# --- saving -----------------------------------------------------------------------------------------------------------
def test_a_save_over_a_newer_version_is_told_and_loses_nothing(web: Client, spider: Spider) -> None:
    data = inputs_of(web.get(path_of(spider))) | {"w-category": "mine"}
    definitions.save_spider(spider_document(category="theirs"), user=make_user("mei"))
    answer = web.post(path_of(spider), data | {"_save": "1"})
    page = answer.content.decode()
    assert "mei saved version 2 while you were at it" in page
    assert f"{SPIDERS}{spider.pk}/history/" in page
    assert inputs_of(answer)["w-category"] == "mine"
    # Told once is not enough: a third version has not been seen yet.
    definitions.save_spider(spider_document(category="again"))
    again = web.post(path_of(spider), inputs_of(answer) | {"_over": "2"})
    assert "version 3 was saved while you were at it" in again.content.decode()
    assert web.post(path_of(spider), inputs_of(again) | {"_over": "3"}).status_code == 302
    spider.refresh_from_db()
    assert (spider.category, spider.version) == ("mine", 4)


def test_saving_what_somebody_else_has_just_saved_is_no_conflict(web: Client, spider: Spider) -> None:
    data = inputs_of(web.get(path_of(spider))) | {"w-category": "same"}
    definitions.save_spider(spider_document(category="same"))
    assert web.post(path_of(spider), data | {"_save": "1"}).status_code == 302
    spider.refresh_from_db()
    assert spider.version == 2


def test_a_new_spider_never_takes_the_place_of_another(client: Client, spider: Spider) -> None:
    client.force_login(make_user("newcomer", "crawler.view_spider", "crawler.add_spider"))
    said = {"w-name": "books", "w-start_urls": "https://books.example/", "w-category": "mine", "_save": "1"}
    data = inputs_of(client.get(f"{SPIDERS}add/")) | said
    assert told(client.post(f"{SPIDERS}add/", data)) == [
        ("w-name", "there is already a spider “books”; choose another name")
    ]
    spider.refresh_from_db()
    assert (spider.category, spider.version) == ("shops", 1)


def test_a_spider_that_was_deleted_meanwhile_is_not_made_again(
    web: Client, spider: Spider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*asked: object) -> pinned.Judgement:
        definitions.delete_spider("books")
        return pinned.Judgement(changes=[], mark="", may_save=True)

    data = inputs_of(web.get(path_of(spider))) | {"w-category": "mine", "_save": "1"}
    monkeypatch.setattr(pinned, "judge", judge)
    assert web.post(path_of(spider), data).status_code == 404
    assert not Spider.objects.exists()


def test_who_may_not_crawl_saves_nothing_by_the_button_of_a_crawl(client: Client, spider: Spider) -> None:
    client.force_login(make_user("edda", "crawler.view_spider", "crawler.change_spider"))
    data = inputs_of(client.get(path_of(spider))) | {"w-category": "mine", "_run": "1"}
    assert client.post(path_of(spider), data).status_code == 403
    spider.refresh_from_db()
    assert (spider.category, spider.version) == ("shops", 1)


def test_run_now_crawls_what_is_stored_and_keeps_the_draft(web: Client, spider: Spider) -> None:
    data = inputs_of(web.get(path_of(spider)))
    assert web.post(path_of(spider), data | {"_run": "1"}).status_code == 302
    answer = web.post(path_of(spider), data | {"w-category": "mine", "_run": "1"})
    assert "Your draft is not saved" in answer.content.decode()
    assert inputs_of(answer)["w-category"] == "mine"
    assert set(CrawlTask.objects.values_list("spider__name", "spider_version")) == {("books", 1)}


def test_who_may_only_look_sees_the_definition_and_changes_nothing(client: Client, spider: Spider) -> None:
    client.force_login(make_user("vera", "crawler.view_spider"))
    page = client.get(path_of(spider)).content.decode()
    assert re.search(r'<textarea[^>]* id="id_text"[^>]* readonly', page)
    assert "spider_form" not in page
    assert "name: books" in page
    for button in ("_save", "_tab", "_add", "_run", "_preview"):
        data = {"_view": "yaml", "text": "name: books", button: "yaml"}
        assert client.post(path_of(spider), data).status_code == 403
    assert client.get(f"{SPIDERS}add/").status_code == 403
    client.force_login(make_user("nobody"))
    assert client.get(path_of(spider)).status_code == 403


def test_a_spider_that_is_not_there_is_not_found(web: Client) -> None:
    assert web.get(f"{SPIDERS}4711/change/").status_code == 404
    assert web.post(f"{SPIDERS}none/change/", {"_save": "1"}).status_code == 404


@pytest.mark.parametrize("tab", ["form", "yaml", "pick", "pinned"])
def test_a_page_asks_few_questions(web: Client, tab: str) -> None:
    spider = definitions.save_spider(RICH)
    path = f"{path_of(spider)}?tab={tab}"
    web.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert web.get(path).status_code == 200
    assert len(queries) <= MOST_QUERIES, [query["sql"] for query in queries]
