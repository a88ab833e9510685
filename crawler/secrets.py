"""Headers' values that are kept encrypted. Documents name them; nothing shows them.

The keys come from the setting `FIELD_KEY` (Fernet keys, the newest first, separated by commas); behind them stand those
derived from `SECRET_KEY` and its fallbacks. The first encrypts, all of them decrypt: `rotate` re-encrypts what an older
one holds, after which that key may go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from .engine.definition import SecretRef, SpiderDefinition
from .exceptions import CrawlerError
from .models import Secret

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
        listed = ", ".join(f'"{name}"' for name in self.names)
        super().__init__(f"no secret is stored under {listed}; set it in the admin")


def encrypt(value: str) -> bytes:
    """The ciphertext of `value`, with the newest key."""
    return _box().encrypt(value.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """Raises `SecretError` where no present key opens it."""
    try:
        return _box().decrypt(bytes(ciphertext)).decode()
    except InvalidToken as error:
        raise SecretError(
            "none of the present keys opens the stored secret; put the former key behind the new one in FIELD_KEY, "
            "or set the secret again"
        ) from error


def validate(name: str, value: str) -> None:
    """Raises `SecretError` for a name that no document can give, or a value that no header can carry."""
    if not _NAME.fullmatch(name):
        raise SecretError(f'"{name[:40]}" is not the name of a secret: letters a-z, digits, "-" and "_", 100 at most')
    if len(value) > MAX_LENGTH or not _SENDABLE.fullmatch(value):
        raise SecretError(
            f'the value of "{name}" cannot be sent in a header: printable ASCII only, no line end, no blank at the '
            f"ends, {MAX_LENGTH:,} characters at most"
        )


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


def rotate() -> int:
    """Encrypt every stored secret with the newest key; how many there are. All or nothing."""
    box = _box()
    with transaction.atomic():
        secrets = list(Secret.objects.select_for_update().order_by("id"))
        for secret in secrets:
            try:
                secret.ciphertext = box.rotate(bytes(secret.ciphertext))
            except InvalidToken as error:
                raise SecretError(f'none of the present keys opens the secret "{secret.name}"; set it again') from error
            secret.save(update_fields=["ciphertext", "updated_at"])
    return len(secrets)


def _values(names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    stored = dict(Secret.objects.filter(name__in=names).values_list("name", "ciphertext"))
    if missing := [name for name in names if name not in stored]:
        raise SecretMissing(missing)
    return {name: decrypt(ciphertext) for name, ciphertext in stored.items()}


def _box() -> MultiFernet:
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
    return [
        base64.urlsafe_b64encode(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(str(secret_key).encode())
        )
        for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
