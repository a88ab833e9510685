"""A body that is kept on disk as it came over the wire, compressed if it was: for what may be large."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType

IN_MEMORY = 1_048_576
"""Bytes; what is bigger goes to a file without a name in the system's folder for such."""
STEP = 65_536


class Spool:
    """Takes the pieces of one answer's body in place of a list. A context manager: the file ends with it."""

    def __init__(self) -> None:
        self.problem = ""
        """Why not all was kept: the disk is full, or there is no folder to write to."""
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by __exit__

    def append(self, data: bytes) -> None:
        if self.problem:
            return
        try:
            self._file.write(data)
        except OSError as error:  # whoever asked for the body judges it, not the connection that brings it
            self.problem = str(error)

    def clear(self) -> None:
        """Forget what came: the answer is worthless, or is asked for again."""
        self.problem = ""
        self._file.seek(0)
        self._file.truncate()

    def pieces(self) -> Iterator[bytes]:
        """All that came, in its order."""
        self._file.seek(0)
        while data := self._file.read(STEP):
            yield data

    def __iter__(self) -> Iterator[bytes]:
        """Nothing: what an answer carries as its body while the bytes are here."""
        return iter(())

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
