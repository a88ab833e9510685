"""Messages that remember what they were made of, so that others can say them in another language.

A message is its English text. What stands in it, and around what, is kept beside it: `template` with its names in
braces, and the `values` of these names, which may be messages themselves. So it is told within the process; what is
stored is text, and told by `scheduling.wording`, where it is said why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce


class Message(str):
    """A text made by `said`."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    def __new__(cls, text: str, template: str = "", values: Mapping[str, object] | None = None) -> Message:
        message = super().__new__(cls, text)
        message.template = template or text
        message.values = values or {}
        return message


class Quoted(str):
    """A value in double quotes, as documents write it; `inner` is what stands between them."""

    __slots__ = ("inner",)

    inner: str

    def __new__(cls, inner: str) -> Quoted:
        quoted = super().__new__(cls, f'"{inner}"')
        quoted.inner = inner
        return quoted

    def __getnewargs__(self) -> tuple[str]:
        return (self.inner,)


def said(template: str, /, **values: object) -> Message:
    """The message that `template` gives with its names replaced; a brace of its own is written twice.

    The template stands in the call itself, where `makemessages` finds it for translators.
    """
    return Message(template.format(**values), template, values)


def reason_of(error: Exception) -> str:
    """What an error of ours says, as the message that it was raised with."""
    reason = error.args[0] if error.args else ""
    return reason if isinstance(reason, Message) else str(error)


def listed(names: Iterable[str]) -> str:
    """``css and xpath``."""
    return reduce(lambda first, second: said("{first} and {second}", first=first, second=second), names)


def all_quoted(names: Iterable[str]) -> str:
    """``"a", "b"``: one name at least."""
    quoted: Iterable[str] = map(Quoted, names)
    return reduce(lambda first, second: said("{first}, {second}", first=first, second=second), quoted)


def printable(message: str) -> str:
    """`message` with what can be neither printed nor stored (half a surrogate pair, of some document) as its code."""
    try:
        message.encode()
    except UnicodeEncodeError:
        text = _encoded(message)
        if not isinstance(message, Message):
            return text
        values = {name: printable(value) if isinstance(value, str) else value for name, value in message.values.items()}
        return Message(text, message.template, values)
    return message


def _encoded(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
