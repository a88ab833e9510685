"""Values that are kept encrypted: of headers, cookies, credentials, proxies. Documents name them; nothing shows them.

The keys come from the setting `FIELD_KEY` (Fernet keys, the newest first, separated by commas); behind them stand those
derived from `SECRET_KEY` and its fallbacks. The first encrypts, all of them decrypt: `rotate` re-encrypts what an older
one holds, after which that key may go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from .engine.documents.definition import SecretRef, Session, SpiderDefinition
from .engine.documents.read_session import cookie_problem
from .engine.fetching.proxy import Proxy, ProxyError, parse_proxy
from .engine.fetching.requests import Post, form_secrets
from .engine.fetching.session import SessionValues
from .engine.messages import all_quoted, reason_of, said
from .engine.spider import Auth
from .exceptions import CrawlerError
from .models import Secret

if TYPE_CHECKING:
    # Loaded where something is encrypted or read: six megabytes that most processes never need.
    from cryptography.fernet import MultiFernet

MAX_LENGTH = 8_192
_NAME = re.compile(r"[a-zA-Z0-9-][a-zA-Z0-9_-]{0,99}")
_SENDABLE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_INFO = b"lamplighter field encryption v1"
"""Ties the derived key to this one use of SECRET_KEY. Changing it makes every stored secret unreadable."""


class SecretError(CrawlerError):
    """A secret that is missing, cannot be read, or cannot be stored. Never holds a value."""


class SecretMissing(SecretError):
    """Named by a document, but not stored; `names` are all that are missing."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(set(names))
        super().__init__(said("no secret is stored under {names}; set it in the admin", names=all_quoted(self.names)))


def encrypt(value: str) -> bytes:
    """The ciphertext of `value`, with the newest key."""
    return _box().encrypt(value.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """Raises `SecretError` where no present key opens it."""
    from cryptography.fernet import InvalidToken

    try:
        return _box().decrypt(bytes(ciphertext)).decode()
    except InvalidToken as error:
        message = said(
            "none of the present keys opens the stored secret; put the former key behind the new one in FIELD_KEY, "
            "or set the secret again"
        )
        raise SecretError(message) from error


def validate(name: str, value: str) -> None:
    """Raises `SecretError` for a name that no document can give, or a value that no header can carry."""
    if not _NAME.fullmatch(name):
        raise SecretError(
            said('"{name}" is not the name of a secret: letters a-z, digits, "-" and "_", 100 at most', name=name[:40])
        )
    if len(value) > MAX_LENGTH or not _SENDABLE.fullmatch(value):
        message = said(
            'the value of "{name}" cannot be sent in a header: printable ASCII only, no line end, no blank at the '
            "ends, {most} characters at most",
            name=name,
            most=f"{MAX_LENGTH:,}",
        )
        raise SecretError(message)


def set_secret(name: str, value: str) -> Secret:
    """Store `value` under `name`, in place of what is there. Raises as `validate` does."""
    validate(name, value)
    return Secret.objects.update_or_create(name=name, defaults={"ciphertext": encrypt(value)})[0]


def reveal(name: str) -> str:
    """The stored value: for the crawl that sends it, never for showing. Raises `SecretMissing`, `SecretError`."""
    return _values([name])[name]


def resolve_headers(definition: SpiderDefinition) -> dict[str, str]:
    """The headers that a spider's requests carry, in clear. Raises `SecretMissing` naming all that are not stored."""
    headers: Mapping[str, str | SecretRef] = definition.manners.headers
    values = _values([value.name for value in headers.values() if isinstance(value, SecretRef)])
    return {name: values[value.name] if isinstance(value, SecretRef) else value for name, value in headers.items()}


def resolve_session(definition: SpiderDefinition) -> SessionValues:
    """What the session of a spider stands for, in clear.

    Raises `SecretMissing` naming all that are not stored, `SecretError` for one that cannot be what it is used for.
    """
    session = definition.session
    values = _values(sorted({*_session_secrets(session).values(), *_form_secrets(definition).values()}))
    return SessionValues(
        headers={} if session.auth is None else {"Authorization": _authorization(session.auth, values)},
        cookies={name: _cookie(value, values) for name, value in session.set_cookies.items()},
        proxy=None if session.proxy is None else _proxy(session.proxy, values),
        bodies={Post.of(start): Post.of(start, values) for start in definition.start_posts if form_secrets(start)},
    )


def missing_secrets(definition: SpiderDefinition, *, stored: Collection[str] | None = None) -> dict[str, str]:
    """The places of the document whose secrets are not stored, with the secrets' names.

    Who asks for many definitions gives the names that are `stored`; they are looked up otherwise.
    """
    headers = definition.manners.headers.items()
    named = {f"manners.headers.{key}": value.name for key, value in headers if isinstance(value, SecretRef)}
    named |= _session_secrets(definition.session) | _form_secrets(definition)
    if not named:
        return {}
    if stored is None:
        stored = set(Secret.objects.filter(name__in=set(named.values())).values_list("name", flat=True))
    return {place: name for place, name in named.items() if name not in stored}


def rotate() -> int:
    """Encrypt every stored secret with the newest key; how many there are. All or nothing."""
    from cryptography.fernet import InvalidToken

    box = _box()
    with transaction.atomic():
        secrets = list(Secret.objects.select_for_update().order_by("id"))
        for secret in secrets:
            try:
                secret.ciphertext = box.rotate(bytes(secret.ciphertext))
            except InvalidToken as error:
                message = said('none of the present keys opens the secret "{name}"; set it again', name=secret.name)
                raise SecretError(message) from error
            secret.save(update_fields=["ciphertext", "updated_at"])
    return len(secrets)


def _values(names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    stored = dict(Secret.objects.filter(name__in=names).values_list("name", "ciphertext"))
    if missing := [name for name in names if name not in stored]:
        raise SecretMissing(missing)
    return {name: decrypt(ciphertext) for name, ciphertext in stored.items()}


def _session_secrets(session: Session) -> dict[str, str]:
    """The names of a session's secrets by their places."""
    found: dict[str, object] = {f"set_cookies.{name}": value for name, value in session.set_cookies.items()}
    found["proxy"] = session.proxy
    if session.auth is not None:
        found["auth.bearer"] = session.auth.bearer
        if session.auth.basic is not None:
            found["auth.basic.username"] = session.auth.basic.username
            found["auth.basic.password"] = session.auth.basic.password
    return {f"session.{place}": value.name for place, value in found.items() if isinstance(value, SecretRef)}


def _form_secrets(definition: SpiderDefinition) -> dict[str, str]:
    """The names of the secrets that start pages send, by the pages' places among those that are posted."""
    first = len(definition.start_urls)
    return {
        f"start_urls[{first + index}].form.{place}": name
        for index, start in enumerate(definition.start_posts)
        for place, name in form_secrets(start).items()
    }


def _clear(value: str | SecretRef, values: Mapping[str, str]) -> str:
    return values[value.name] if isinstance(value, SecretRef) else value


def _authorization(auth: Auth, values: Mapping[str, str]) -> str:
    if auth.basic is None:
        return "Bearer " + values[auth.bearer.name] if auth.bearer is not None else ""
    username = _clear(auth.basic.username, values)
    if ":" in username:
        raise SecretError(said("the secret of session.auth.basic.username holds a colon, which no user name can"))
    pair = f"{username}:{values[auth.basic.password.name]}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _cookie(value: str | SecretRef, values: Mapping[str, str]) -> str:
    clear = _clear(value, values)
    if isinstance(value, SecretRef) and (problem := cookie_problem(clear)):
        raise SecretError(said('the secret "{name}" {problem}', name=value.name, problem=problem))
    return clear


def _proxy(value: str | SecretRef, values: Mapping[str, str]) -> Proxy:
    try:
        return parse_proxy(_clear(value, values))
    except ProxyError as error:
        problem = reason_of(error)
        if isinstance(value, SecretRef):
            raise SecretError(said('the secret "{name}" {problem}', name=value.name, problem=problem)) from None
        raise SecretError(said("session.proxy {problem}", problem=problem)) from None


def _box() -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    keys: list[str | bytes] = [key.strip() for key in str(settings.FIELD_KEY).split(",") if key.strip()]
    keys.extend(_derived_keys())
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        # The message of the library does not say which setting; the key itself is not repeated.
        raise ImproperlyConfigured(
            "FIELD_KEY must hold Fernet keys (32 bytes in URL-safe base64), separated by commas"
        ) from error


def _derived_keys() -> list[bytes]:
    """Behind FIELD_KEY too, so that setting it for the first time loses nothing."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return [
        base64.urlsafe_b64encode(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(str(secret_key).encode())
        )
        for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
