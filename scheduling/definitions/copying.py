"""What a copy of a definition is called."""

from __future__ import annotations

import re
from itertools import chain, count

from scheduling.models import DefinitionVersion

_COPY = re.compile(r"-copy(?:-\d{1,5})?\Z")
_LONGEST = len("-copy-99999")


def name_of_copy(kind: str, name: str, *, most: int) -> str:
    """`books-copy`, else `books-copy-2` and so on, of at most so many characters; a copy of a copy counts on.

    Free is a name that no definition of this kind (a `DefinitionVersion.Kind`) has or ever had, as far as versions are
    kept: the history of one that was deleted is not the copy's. One query.
    """
    first = _COPY.sub("", name)[: most - _LONGEST] + "-copy"
    had = DefinitionVersion.objects.filter(kind=kind, key__startswith=first).values_list("key", flat=True)
    taken = set(had.order_by("key").distinct())
    return next(one for one in chain([first], (f"{first}-{number}" for number in count(2))) if one not in taken)
