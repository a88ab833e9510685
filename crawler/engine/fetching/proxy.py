"""Which proxy a spider's requests go through. Proxies of the environment are never read."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote

from crawler.engine.errors import EngineError, UrlError
from crawler.engine.messages import said
from crawler.engine.urls import host_of, normalise

_URL = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?:(?P<user>[^@/?#]*)@)?(?P<host>\[[^\]]*\]|[^:/?#@]+):(?P<port>[0-9]{1,5})/?"
)
_SCHEMES = ("http", "https", "socks5", "socks5h")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class ProxyError(EngineError):
    """A text that is no proxy's URL. The message goes on after a subject, and never holds the text: it may be a
    credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def has_credentials(self) -> bool:
        return bool(self.username or self.password)

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")

    @property
    def head(self) -> bytes:
        """The header line that opens an HTTP proxy; empty where it is open to us."""
        if not self.has_credentials:
            return b""
        return b"Proxy-Authorization: Basic " + b64encode(f"{self.username}:{self.password}".encode()) + b"\r\n"


def parse_proxy(text: str) -> Proxy:
    """The proxy that ``http://user:password@host:port`` names; user and password are percent-encoded.

    Raises `ProxyError`.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ProxyError(said("is not a proxy's URL; write http://host:port, the port always, nothing behind it"))
    if found["scheme"] not in _SCHEMES:
        raise ProxyError(said("has a scheme that is not known; known are {known}", known=", ".join(_SCHEMES)))
    try:
        host = host_of(normalise(f"http://{found['host']}/"))
    except UrlError as error:
        raise ProxyError(said("has no valid host; write http://host:port")) from error
    if not 0 < int(found["port"]) < 65_536:
        raise ProxyError(said("has no valid port; 1 to 65535"))
    username, _, password = (found["user"] or "").partition(":")
    username, password = unquote(username), unquote(password)
    if _UNSENDABLE.search(username + password) or max(len(username.encode()), len(password.encode())) > 255:
        raise ProxyError(
            said("has a user name or password that cannot be sent; at most 255 bytes, no control characters")
        )
    return Proxy(scheme=found["scheme"], host=host, port=int(found["port"]), username=username, password=password)
