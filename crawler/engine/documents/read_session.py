"""The `session` section of a spider's document: cookies, credentials, proxy, TLS.

No message repeats a value: what stands in the wrong place may be a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields

from crawler.engine.fetching.cookies import MAX_COOKIE
from crawler.engine.fetching.proxy import ProxyError, parse_proxy
from crawler.engine.messages import reason_of, said
from crawler.engine.spider import Auth, BasicAuth, SecretRef, Session, SpiderDefinition

from .document import Problems, Section, as_section, shown

_KEYS = tuple(field.name for field in fields(Session))
_SECRET_NAME = re.compile(r"[a-zA-Z0-9-][a-zA-Z0-9_-]{0,99}")
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COOKIE_VALUE = re.compile(r"(?:[\x21-\x3a\x3c-\x7e](?:[\x20-\x3a\x3c-\x7e]*[\x21-\x3a\x3c-\x7e])?)?")
_USERNAME = re.compile(r"[^\x00-\x1f\x7f:\ud800-\udfff]+")
_REMEDY = said("store it as a secret in the admin and write {{secret: name}}")


def read_session(session: Section) -> Session:
    session.allow(_KEYS)
    return Session(
        cookies=session.flag("cookies", default=False),
        set_cookies=_read_cookies(session.section("set_cookies")),
        auth=_read_auth(session),
        proxy=_read_proxy(session),
        verify_tls=session.flag("verify_tls", default=True),
    )


def check_session(definition: SpiderDefinition, session: Section) -> None:
    """What is wrong, or dangerous, with the session beside the rest of the document."""
    own = definition.session
    given = {name.lower() for name in definition.manners.headers}
    if own.auth is not None and "authorization" in given:
        session.error("auth", said("manners.headers has Authorization too; keep one of them"))
    if (own.cookies or own.set_cookies) and "cookie" in given:
        place = "set_cookies" if own.set_cookies else "cookies"
        session.error(place, said("manners.headers has Cookie too; put its cookies into session.set_cookies"))
    if own.proxy is not None and "proxy-authorization" in given:
        session.error(
            "proxy", said("manners.headers has Proxy-Authorization, which servers would get; put it into the URL")
        )
    if not own.verify_tls:
        session.problems.warn(
            session.at("verify_tls"),
            said("false: certificates are not checked, anybody on the way can read and change what is fetched"),
        )
    if own.auth is not None and any(url.startswith("http://") for url in definition.start_pages):
        session.problems.warn(
            session.at("auth"),
            said("a start URL is http: the credentials can be read on the way; write https if it can"),
        )


def read_reference(value: object, place: str, problems: Problems) -> SecretRef | None:
    """What ``{secret: name}`` names; None after noting what is wrong with it."""
    reference = as_section(value, place, problems)
    reference.allow(("secret",))
    name = reference.text("secret")
    if name is None:
        if reference.document.get("secret") is None and not reference.document.keys() - {"secret"}:
            problems.error(place, said("names no secret; write {{secret: name}}"))
        return None
    if not _SECRET_NAME.fullmatch(name):
        reference.error(
            "secret", said('{name} is not the name of a secret: letters a-z, digits, "-" and "_"', name=shown(name))
        )
    return SecretRef(name=name)


def cookie_problem(value: str) -> str:
    """Why a cookie of a document, or of a secret, cannot be sent; empty if it can. Never holds the value."""
    if len(value) > MAX_COOKIE:
        return said("has more than {most} characters", most=f"{MAX_COOKIE:,}")
    if not _COOKIE_VALUE.fullmatch(value):
        return said('cannot be sent in a cookie: printable ASCII without ";", no line end, no blank at the ends')
    return ""


def _read_cookies(cookies: Section) -> dict[str, str | SecretRef]:
    found: dict[str, str | SecretRef] = {}
    for name, value in cookies.document.items():
        if not isinstance(name, str) or not _COOKIE_NAME.fullmatch(name):
            cookies.error(
                str(name),
                said("{name} is not a cookie's name: letters, digits and - as in session-id", name=shown(name)),
            )
        elif isinstance(value, Mapping):
            reference = read_reference(value, cookies.at(name), cookies.problems)
            if reference is not None:
                found[name] = reference
        elif not isinstance(value, str):
            cookies.error(name, said("the value is not a text; put it in quotes, or write {{secret: name}}"))
        elif problem := cookie_problem(value):
            cookies.error(name, said("the value {problem}", problem=problem))
        else:
            found[name] = value
    return found


def _read_auth(session: Section) -> Auth | None:
    if session.document.get("auth") is None:
        return None
    auth = session.section("auth")
    if not isinstance(session.document["auth"], Mapping):
        return None
    auth.allow(("basic", "bearer"))
    kinds = [key for key in ("basic", "bearer") if auth.document.get(key) is not None]
    if len(kinds) != 1:
        auth.problems.error(auth.place, said("needs one of basic and bearer"))
        return None
    if kinds == ["bearer"]:
        bearer = _read_credential(auth, "bearer")
        return None if bearer is None else Auth(bearer=bearer)
    basic = auth.section("basic")
    basic.allow(("username", "password"))
    username, password = _read_username(basic), _read_credential(basic, "password")
    if username is None or password is None:
        return None
    return Auth(basic=BasicAuth(username=username, password=password))


def _read_username(basic: Section) -> str | SecretRef | None:
    value = basic.document.get("username")
    if isinstance(value, Mapping):
        return read_reference(value, basic.at("username"), basic.problems)
    if not isinstance(value, str) or not _USERNAME.fullmatch(value):
        basic.error("username", said("is not a name that can be sent: a text without colon and control characters"))
        return None
    return value


def _read_credential(section: Section, key: str) -> SecretRef | None:
    value = section.document.get(key)
    if value is None:
        section.error(key, said("is missing; write {{secret: name}}"))
        return None
    if not isinstance(value, Mapping):
        section.error(key, said("must not stand in the document; {remedy}", remedy=_REMEDY))
        return None
    return read_reference(value, section.at(key), section.problems)


def _read_proxy(session: Section) -> str | SecretRef | None:
    value = session.document.get("proxy")
    if value is None:
        return None
    if isinstance(value, Mapping):
        return read_reference(value, session.at("proxy"), session.problems)
    if not isinstance(value, str):
        session.error("proxy", said("is not a text; write http://host:port, or {{secret: name}}"))
        return None
    try:
        proxy = parse_proxy(value)
    except ProxyError as error:
        session.error("proxy", reason_of(error))
        return None
    if proxy.has_credentials:
        session.error(
            "proxy",
            said("holds a user name or password, which must not stand in the document; {remedy}", remedy=_REMEDY),
        )
        return None
    return proxy.url
