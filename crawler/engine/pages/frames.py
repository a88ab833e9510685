"""What goes between the event loop and the process that reads big pages: frames of a kind, a length and a payload.

Requests are trusted and pickled. Answers come from a process that has just read hostile bytes: what is unpickled of
them may name nothing but the records of the engine, so that even a process that an attacker had taken over could send
records, and no code.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from crawler.engine import errors, records
from crawler.engine.records import Extraction
from crawler.engine.spider import SpiderDefinition

from . import extractor
from .extractor import Explanation

HEADER = struct.Struct("<BI")
"""Kind and length of the payload."""
MAX_PAYLOAD = 256 * 1024 * 1024
SLICE = 200
"""Items in a frame; of links there are ten times as many. Reading one frame holds the loop up for a millisecond."""


class Kind(IntEnum):
    REQUEST = 9
    READY = 0
    WHOLE = 1
    """An `Extraction` without items and links, or an `Explanation`."""
    ITEMS = 2
    LINKS = 3
    END = 4
    FAILED = 5
    """The reason and the text of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One page to be read. Its body follows the pickle."""

    key: int
    """Of the spider; `definition` goes over once for each."""
    definition: SpiderDefinition | None
    forgets: int
    """The key of a spider that makes room for this one; 0: none."""
    explains: bool
    url: str
    charset: str
    content_type: str
    length: int
    """Of the body."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        known = _KNOWN.get((module, name))
        if known is None:
            raise pickle.UnpicklingError(f"{module}.{name} is no record of the engine")
        return known


_KNOWN: dict[tuple[str, str], object] = {("collections", "Counter"): Counter} | {
    (each.__module__, each.__qualname__): each
    for module in (records, errors, extractor)
    for each in vars(module).values()
    if isinstance(each, type) and each.__module__ in (records.__name__, errors.__name__, extractor.__name__)
}


def _by_value(member: Enum) -> tuple[type[Enum], tuple[object]]:
    return type(member), (member.value,)


# Python 3.11.0 to 3.11.3 would name `getattr` for a member of an enumeration, which no answer may.
_REDUCERS = copyreg.dispatch_table | {
    each: _by_value for each in _KNOWN.values() if isinstance(each, type) and issubclass(each, Enum)
}


def read_record(payload: bytes) -> object:
    """What `payload` holds. Raises `pickle.UnpicklingError` for anything but plain values and the engine's records."""
    return _Reader(io.BytesIO(payload)).load()


def frame(kind: Kind, record: object = None) -> bytes:
    sink = io.BytesIO()
    pickler = pickle.Pickler(sink, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(record)
    payload = sink.getvalue()
    return HEADER.pack(kind, len(payload)) + payload


def frames_of(result: Extraction | Explanation) -> Iterator[bytes]:
    """A result in pieces, so that nobody has to read a hundred thousand items at once."""
    if isinstance(result, Extraction):
        items, links = result.items, result.links
        result.items, result.links = [], []
        yield frame(Kind.WHOLE, result)
        for start in range(0, len(items), SLICE):
            yield frame(Kind.ITEMS, items[start : start + SLICE])
        for start in range(0, len(links), 10 * SLICE):
            yield frame(Kind.LINKS, links[start : start + 10 * SLICE])
    else:
        yield frame(Kind.WHOLE, result)
    yield frame(Kind.END)
