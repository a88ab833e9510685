"""Which handlers there are: by short name and by class name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from django.utils.module_loading import autodiscover_modules

from .exceptions import DuplicateHandler, UnknownHandler

if TYPE_CHECKING:
    from .contract import JobHandler

H = TypeVar("H", bound="type[JobHandler]")

_handlers: dict[str, JobHandler] = {}
_class_names: dict[str, str] = {}


def register(cls: H) -> H:
    """Make a handler known; a class decorator. Registering the same class again changes nothing.

    Raises:
        DuplicateHandler: another class already has this short name or class name.
    """
    name, class_name = cls.name, cls.__name__
    known = _handlers.get(name) or _handlers.get(_class_names.get(class_name, ""))
    if known is not None and _path(type(known)) != _path(cls):
        raise DuplicateHandler(name, _path(cls), _path(type(known)))
    _handlers[name] = cls()
    _class_names[class_name] = name
    return cls


def unregister(cls: type[JobHandler]) -> None:
    """Forget a handler (for tests, which register their own)."""
    _handlers.pop(cls.name, None)
    _class_names.pop(cls.__name__, None)


def get(name: str) -> JobHandler:
    """Return the handler of a short name or a class name.

    Raises:
        UnknownHandler: naming the nearest known one.
    """
    handler = _handlers.get(_class_names.get(name, name))
    if handler is None:
        nearest = difflib.get_close_matches(name, [*_handlers, *_class_names], n=1)
        raise UnknownHandler(name, nearest[0] if nearest else None, names())
    return handler


def names() -> list[str]:
    """Return the short names of all handlers, in order."""
    return sorted(_handlers)


def autodiscover() -> None:
    """Import the module `job_handlers` of every installed app; called when the apps are ready, for every command."""
    autodiscover_modules("job_handlers")


def load() -> None:
    """Let every handler import what its work needs; called by a process that executes runs, before it is alive."""
    for handler in _handlers.values():
        handler.load()


def _path(cls: type[JobHandler]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
