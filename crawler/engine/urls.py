"""URLs as the WHATWG standard reads them: normalised once, then plain strings.

Everything that leaves this module is ``http`` or ``https``, has a host, no user-info, no fragment and nothing but
printable ASCII, so that the string that was hashed is the string that goes out, and no CR or LF can reach a request.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import ada_url

from .errors import Reason, UrlError, quoted
from .messages import said

MAX_URL_LENGTH = 8_192
"""Characters of a normalised URL; longer ones are traps, and servers refuse them."""

_ASCII_WHITESPACE = " \t\n\f\r"
_WITHOUT_BREAKS = str.maketrans("", "", "\t\n\r")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
_PORT = re.compile(r"https?:[/\\]*(?:[^/\\?#]*@)?(?:\[[^\]/]*\]|[^:/\\?#\[\]@]+):([^/\\?#]+)", re.IGNORECASE)
"""What stands behind the host of a URL."""
_USERINFO = re.compile(r"(?<=//)[^/\\?#]*@")
LAST_PORT = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """The parts of a normalised URL that a request needs."""

    scheme: str
    host: str
    """A name or a literal address, IPv6 without its brackets."""
    port: int
    authority: str
    """What the Host header says: the port only where it is not the scheme's own."""
    path_and_query: str


def normalise(url: str, base: str | None = None) -> str:
    """`url`, resolved against `base` if that is given, in the WHATWG serialisation without its fragment.

    Raises `UrlError`: INVALID_URL, or SCHEME_REFUSED for anything but http and https.
    """
    url = url.strip(_ASCII_WHITESPACE)
    if _CONTROL.search(url):
        # What needs them to be a URL is an attack far more often than a mistake.
        raise UrlError(said("{url} holds control characters; percent-encode them", url=quoted(url)))
    try:
        href: str = ada_url.normalize_url(url) if base is None else ada_url.join_url(base, url)
    except ValueError:
        if _SURROGATE.search(url):
            return normalise(_without_surrogates(url), base)
        raise _refusal(url, base) from None
    return _accept(href)


def resolve(href: str, base: str) -> str:
    """What `href` means where it was found, in a page or in an answer: as `normalise` has it, but tabs and line ends
    are dropped first, as the standard says. (Pages break long links; nobody types such a URL.)
    """
    if "\n" in href or "\t" in href or "\r" in href:
        href = href.translate(_WITHOUT_BREAKS)
    return normalise(href, base)


def hash_url(url: str) -> int:
    """First 8 bytes of BLAKE2b of a normalised URL, little-endian, as a signed 64-bit number."""
    return int.from_bytes(blake2b(url.encode()).digest()[:8], "little", signed=True)


def split(url: str) -> Target:
    """The parts of a URL that `normalise` returned; nothing is checked again."""
    slash = url.index("/", 8)
    return Target(*_split_origin(url[:slash]), url[slash:])


@lru_cache(maxsize=4096)
def _split_origin(origin: str) -> tuple[str, str, int, str]:
    scheme, _, authority = origin.partition("://")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    return (
        scheme,
        host[1:-1] if host.startswith("[") else host,
        int(port) if port else _DEFAULT_PORTS[scheme],
        authority,
    )


def host_of(url: str) -> str:
    """The host of a normalised URL, lower-case and in punycode as normalisation leaves it; IPv6 without brackets."""
    return _split_origin(url[: url.index("/", 8)])[1]


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of a normalised URL, without a slash at the end."""
    return url[: url.index("/", 8)]


def _accept(href: str) -> str:
    if not href.startswith(("http://", "https://")):
        scheme = href.partition(":")[0]
        raise _scheme_refused(href, scheme)
    href = href.partition("#")[0]
    if "@" in href and "@" in origin_of(href):
        raise UrlError(
            said(
                "{url} carried a user name or password; put them into session.auth", url=quoted(_without_userinfo(href))
            )
        )
    if len(href) > MAX_URL_LENGTH:
        raise UrlError(
            said(
                "{url} is {length} characters long; at most {most} are fetched",
                url=quoted(href),
                length=len(href),
                most=MAX_URL_LENGTH,
            )
        )
    return href


def _refusal(url: str, base: str | None) -> UrlError:
    scheme = _SCHEME.match(url)
    if scheme and scheme[0].lower() not in ("http:", "https:"):
        return _scheme_refused(url, scheme[0][:-1])
    port = _PORT.match(url)
    if port and not (port[1].isascii() and port[1].isdigit() and int(port[1][:6]) <= LAST_PORT):
        shown, wrong = quoted(_USERINFO.sub("", url)), quoted(port[1], 20)
        return UrlError(
            said("{url} has no valid port: {port}; write 1 to {most}", url=shown, port=wrong, most=LAST_PORT)
        )
    if base is None:
        return UrlError(said("{url} is not a valid URL; write it as https://host/path", url=quoted(url)))
    message = said(
        "{url} against {base} is not a valid URL; write it as https://host/path", url=quoted(url), base=quoted(base)
    )
    return UrlError(message)


def _scheme_refused(url: str, scheme: str) -> UrlError:
    message = said(
        "{url}: scheme {scheme} is not fetched, only http and https are", url=quoted(url), scheme=quoted(scheme)
    )
    return UrlError(message, reason=Reason.SCHEME_REFUSED)


def _without_userinfo(href: str) -> str:
    scheme, _, rest = href.partition("://")
    return f"{scheme}://{rest[rest.index('@', 0, rest.index('/')) + 1 :]}"


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
