"""The `session` section and start pages with bodies, as documents."""

from __future__ import annotations

import pytest

from crawler.engine.documents.definition import SecretRef, Session, dump, parse, parse_with_warnings
from crawler.engine.errors import DefinitionError
from crawler.engine.fetching.requests import Post, encode_form, encode_json
from crawler.engine.spider import Auth, BasicAuth, StartPost

URL = "https://shop.example/"


def make_document(**more: object) -> dict[str, object]:
    return {"name": "shop", "start_urls": [URL], **more}


WHOLE = {
    "cookies": True,
    "set_cookies": {"consent": "yes", "sid": {"secret": "sid"}, "empty": ""},
    "auth": {"basic": {"username": "wicki", "password": {"secret": "pw"}}},
    "proxy": "http://proxy.example:3128",
    "verify_tls": False,
}


def test_a_whole_session_is_read_and_written_back() -> None:
    definition = parse(make_document(session=WHOLE))
    assert definition.session == Session(
        cookies=True,
        set_cookies={"consent": "yes", "sid": SecretRef(name="sid"), "empty": ""},
        auth=Auth(basic=BasicAuth(username="wicki", password=SecretRef(name="pw"))),
        proxy="http://proxy.example:3128",
        verify_tls=False,
    )
    assert dump(definition)["session"] == WHOLE
    assert parse(dump(definition)) == definition


@pytest.mark.parametrize(
    "session",
    [
        {"auth": {"bearer": {"secret": "token"}}},
        {"auth": {"basic": {"username": {"secret": "user"}, "password": {"secret": "pw"}}}},
        {"proxy": {"secret": "office"}},
        {"proxy": "socks5://[2001:db8::1]:1080"},
        {"cookies": True},
    ],
)
def test_a_session_round_trips(session: dict[str, object]) -> None:
    assert dump(parse(make_document(session=session)))["session"] == session


@pytest.mark.parametrize("session", [None, {}, {"cookies": False, "verify_tls": True, "proxy": None}])
def test_no_session_is_the_default_and_not_written(session: object) -> None:
    definition = parse(make_document(session=session))
    assert definition.session == Session()
    assert "session" not in dump(definition)


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("session", "place", "said"),
    [
        ({"cookie": True}, "session.cookie", 'did you mean "cookies"?'),
        ({"cookies": "yes"}, "session.cookies", "not true or false"),
        ({"set_cookies": {"a b": "1"}}, "session.set_cookies.a b", "not a cookie's name"),
        ({"set_cookies": {"a": f"{SECRET};x"}}, "session.set_cookies.a", "cannot be sent"),
        ({"set_cookies": {"a": SECRET + "\n"}}, "session.set_cookies.a", "cannot be sent"),
        ({"set_cookies": {"a": 1}}, "session.set_cookies.a", "not a text"),
        ({"set_cookies": {"a": SECRET * 700}}, "session.set_cookies.a", "more than 4,096"),
        ({"set_cookies": {"a": {"secrets": "x"}}}, "session.set_cookies.a.secrets", 'did you mean "secret"'),
        ({"auth": {}}, "session.auth", "needs one of basic and bearer"),
        ({"auth": "x"}, "session.auth", "not a mapping"),
        ({"auth": {"bearer": SECRET}}, "session.auth.bearer", "must not stand in the document"),
        ({"auth": {"bearer": {"secret": "a b"}}}, "session.auth.bearer.secret", "not the name of a secret"),
        ({"auth": {"basic": {"username": "u", "password": SECRET}}}, "session.auth.basic.password", "must not stand"),
        ({"auth": {"basic": {"username": "u"}}}, "session.auth.basic.password", "is missing"),
        (
            {"auth": {"basic": {"username": f"u:{SECRET}", "password": {"secret": "pw"}}}},
            "session.auth.basic.username",
            "without colon",
        ),
        (
            {"auth": {"basic": {"username": "u", "password": {"secret": "pw"}}, "bearer": {"secret": "t"}}},
            "session.auth",
            "needs one of",
        ),
        ({"proxy": "proxy.example:3128"}, "session.proxy", "write http://host:port"),
        ({"proxy": "http://proxy.example"}, "session.proxy", "the port always"),
        ({"proxy": "http://proxy.example:3128/x"}, "session.proxy", "nothing behind it"),
        ({"proxy": "ftp://proxy.example:3128"}, "session.proxy", "known are http, https, socks5, socks5h"),
        ({"proxy": "http://pro xy:3128"}, "session.proxy", "no valid host"),
        ({"proxy": "http://proxy.example:99999"}, "session.proxy", "no valid port"),
        ({"proxy": f"http://me:{SECRET}@proxy.example:3128"}, "session.proxy", "must not stand in the document"),
        ({"proxy": 3128}, "session.proxy", "not a text"),
        ({"verify_tls": "no"}, "session.verify_tls", "not true or false"),
    ],
)
def test_a_bad_session_is_refused_at_its_place(session: object, place: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(make_document(session=session))
    (problem,) = caught.value.problems
    assert problem.place == place
    assert said in problem.message
    assert SECRET not in problem.message, "what stands in the wrong place may be a credential"


@pytest.mark.parametrize(
    ("session", "header", "place"),
    [
        ({"auth": {"bearer": {"secret": "t"}}}, "authorization", "session.auth"),
        ({"cookies": True}, "Cookie", "session.cookies"),
        ({"set_cookies": {"a": "1"}}, "cookie", "session.set_cookies"),
        ({"proxy": "http://proxy.example:3128"}, "Proxy-Authorization", "session.proxy"),
    ],
)
def test_what_headers_send_already_is_refused(session: object, header: str, place: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(make_document(session=session, manners={"headers": {header: "x"}}))
    assert [problem.place for problem in caught.value.problems] == [place]


def test_dangers_are_allowed_and_said() -> None:
    document = make_document(
        start_urls=["http://shop.example/"],
        session={"verify_tls": False, "auth": {"bearer": {"secret": "t"}}},
    )
    warnings = {warning.place: warning.message for warning in parse_with_warnings(document)[1]}
    assert "certificates are not checked" in warnings["session.verify_tls"]
    assert "can be read on the way" in warnings["session.auth"]


# --- start pages with bodies --------------------------------------------------------------------------------------


def test_start_pages_with_bodies_are_read_and_written_back() -> None:
    entries: list[object] = [
        URL,
        {"url": URL + "s", "form": {"q": "lamp", "page": 1, "tag": ["a", "b"]}},
        {"url": URL + "api", "json": {"q": "lamp", "n": [1, None, 2.5]}},
        {"url": URL + "s", "method": "POST"},
        {"url": URL + "s", "method": "POST", "form": {"q": "lamp", "page": "1", "tag": ["a", "b"]}},
        {"url": URL + "plain"},
    ]
    definition = parse(make_document(start_urls=entries))
    assert definition.start_urls == (URL, URL + "plain")
    assert definition.start_posts == (
        StartPost(url=URL + "s", form={"q": "lamp", "page": "1", "tag": ("a", "b")}),
        StartPost(url=URL + "api", json={"q": "lamp", "n": [1, None, 2.5]}),
        StartPost(url=URL + "s"),
    )
    assert dump(definition)["start_urls"] == [
        URL,
        URL + "plain",
        {"url": URL + "s", "form": {"q": "lamp", "page": "1", "tag": ["a", "b"]}},
        {"url": URL + "api", "json": {"q": "lamp", "n": [1, None, 2.5]}},
        {"url": URL + "s", "method": "POST"},
    ]
    assert parse(dump(definition)) == definition


def test_a_spider_may_begin_with_a_post_alone() -> None:
    definition = parse({"name": "s", "start_urls": [{"url": "https://b.example/s", "form": {"q": ""}}]})
    assert (definition.start_urls, definition.allowed_domains) == ((), ("b.example",))
    assert "allowed_domains" not in dump(definition)


@pytest.mark.parametrize(
    ("entry", "place", "said"),
    [
        ({}, "url", "is missing"),
        ({"url": "ftp://x/"}, "url", "scheme"),
        ({"url": URL, "method": "PUT"}, "method", "write GET or POST"),
        ({"url": URL, "method": "GET", "form": {"q": "x"}}, "method", "a GET has no body"),
        ({"url": URL, "form": {"q": "x"}, "json": {}}, "", "has both form and json"),
        ({"url": URL, "form": ["q"]}, "form", "not a mapping"),
        ({"url": URL, "form": {"q": True}}, "form.q", "quote it"),
        ({"url": URL, "form": {"q": ["a", None]}}, "form.q[1]", "quote it"),
        ({"url": URL, "form": {"q": "a\0"}}, "form.q", "holds a NUL"),
        ({"url": URL, "json": {"a": float("nan")}}, "json", "finite numbers"),
        ({"url": URL, "json": {"a": "\ud800"}}, "json", "valid text"),
        ({"url": URL, "body": "x"}, "body", "unknown key"),
        ({"url": URL, "form": {"q": "x" * 1_000_001}}, "", "more than 1,000,000 bytes"),
    ],
)
def test_a_bad_start_page_is_refused_at_its_place(entry: object, place: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(make_document(start_urls=[URL, entry]))
    (problem,) = caught.value.problems
    assert problem.place == f"start_urls[1].{place}".rstrip(".")
    assert said in problem.message


def test_json_nested_beyond_reason_is_refused() -> None:
    value: object = 1
    for _ in range(5_000):
        value = [value]
    with pytest.raises(DefinitionError, match="at most 50 levels"):
        parse(make_document(start_urls=[{"url": URL, "json": value}]))


def test_pages_of_one_url_want_a_key() -> None:
    entries = [{"url": URL, "form": {"q": "a"}}, {"url": URL, "form": {"q": "b"}}]
    rule = {"type": "page", "fields": {"title": {"css": "title"}}}
    document = make_document(start_urls=entries, items=[rule])
    assert [warning.place for warning in parse_with_warnings(document)[1]] == ["items[0].key"]
    keyed = make_document(start_urls=entries, items=[rule | {"key": ["title"]}])
    assert parse_with_warnings(keyed)[1] == []


def test_a_form_names_its_secrets_and_is_warned_of_those_in_clear() -> None:
    form = {"user": "me", "pw": {"secret": "pw"}, "many": ["a", {"secret": "b"}]}
    definition = parse(make_document(start_urls=[{"url": URL, "form": form}]))
    (start,) = definition.start_posts
    assert start.form == {"user": "me", "pw": SecretRef(name="pw"), "many": ("a", SecretRef(name="b"))}
    assert dump(definition)["start_urls"] == [{"url": URL, "form": form}]
    assert Post.of(start, {"pw": "x y", "b": "&"}).content == b"user=me&pw=x+y&many=a&many=%26"
    assert Post.of(start).hash_at(URL) == Post.of(start).hash_at(URL)
    clear = make_document(start_urls=[{"url": "http://shop.example/", "form": form | {"Password": SECRET}}])
    warnings = {warning.place: warning.message for warning in parse_with_warnings(clear)[1]}
    assert warnings.keys() == {"start_urls[0].form.Password", "start_urls[0].url"}
    assert SECRET not in "".join(warnings.values())
    with pytest.raises(DefinitionError, match=r"start_urls\[0\]\.form\.pw: names no secret"):
        parse(make_document(start_urls=[{"url": URL, "form": {"pw": {}}}]))


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"q": "oil lamp", "x": ""}, b"q=oil+lamp&x="),
        ({"q": ("a", "b"), "none": ()}, b"q=a&q=b"),
        ({"é~*-._": "1+1=2&3"}, b"%C3%A9%7E*-._=1%2B1%3D2%263"),
        ({"t": "a\nb\rc\r\nd"}, b"t=a%0D%0Ab%0D%0Ac%0D%0Ad"),
        ({"emoji": "💡"}, b"emoji=%F0%9F%92%A1"),
        ({}, b""),
    ],
)
def test_forms_are_encoded_as_browsers_do(form: dict[str, str | tuple[str, ...]], sent: bytes) -> None:
    assert encode_form(form) == sent


def test_a_bodys_hash_knows_method_url_type_and_content() -> None:
    posts = [
        StartPost(url=URL, form={"q": "a"}),
        StartPost(url=URL, form={"q": "b"}),
        StartPost(url=URL, json="q=a"),
        StartPost(url=URL),
        StartPost(url=URL + "x", form={"q": "a"}),
    ]
    assert len({Post.of(post).hash_at(post.url) for post in posts}) == len(posts)
    assert encode_json({"b": 1, "a": "é"}) == encode_json({"a": "é", "b": 1}) == '{"a":"é","b":1}'.encode()
