"""The process that reads pages which could hold up the loop: big ones, and those whose reading cannot be bounded.

It is started by `parsing`, reads requests from its standard input and writes results to its standard output. It ends
with that input, so with its parent, however that ends; while it works the kernel ends it after `CPU_SECONDS`, parent or
not. It has no secrets: its environment is empty, and of a spider it gets selectors, no headers.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from crawler.engine.errors import Reason

from .extractor import Extractor
from .frames import HEADER, Kind, Request, frame, frames_of

CPU_SECONDS = 6.0
"""Of one page; what can be interrupted (`bounds.FULL`) ends before that and keeps the links that were found."""
MEMORY_BYTES = 1024 * 1024 * 1024
"""Address space. A real page of 10 MiB takes a tenth of that."""
ENOUGH_BYTES = 256 * 1024 * 1024
"""Resident: a process that has been so big ends after its page, and another one is started at need."""


def main(cpu_seconds: float = CPU_SECONDS) -> None:
    """Serve until standard input ends; each page may take so much processor time."""
    # Ctrl-C and a supervisor's SIGTERM are the parent's to hear; it lets pages in flight end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    # Whatever a library prints must not be taken for a frame.
    sink = os.fdopen(os.dup(sink.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _send(sink, frame(Kind.READY))
    spiders: dict[int, Extractor] = {}
    while _serve_one(source, sink, spiders, cpu_seconds):
        pass


def _serve_one(source: BinaryIO, sink: BinaryIO, spiders: dict[int, Extractor], cpu_seconds: float) -> bool:
    """Whether there may be a next one."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return False
    _, length = HEADER.unpack(header)
    request: Request = pickle.loads(source.read(length))  # noqa: S301 - written by the parent, which we are part of
    body = source.read(request.length)
    if len(body) < request.length:
        return False
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        extractor = _extractor(request, spiders)
        read = extractor.explain if request.explains else extractor.extract
        for piece in frames_of(read(request.url, body, request.charset, request.content_type)):
            sink.write(piece)
    except BrokenPipeError:
        return False
    except MemoryError:
        spiders.clear()
        _send(sink, frame(Kind.FAILED, (Reason.READING_DIED, "reading the page takes more memory than one may have")))
        return False
    except Exception as error:  # a page that breaks the extractor fails alone, and the traceback is for us
        traceback.print_exc()
        sink.write(frame(Kind.FAILED, (Reason.EXTRACTION_ERROR, f"{type(error).__name__}: {error}"[:1000])))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    _send(sink, b"")
    return _resident_bytes() < ENOUGH_BYTES


def _extractor(request: Request, spiders: dict[int, Extractor]) -> Extractor:
    if request.definition is not None:
        spiders.pop(request.forgets, None)
        spiders[request.key] = Extractor(request.definition)
    return spiders[request.key]


def _send(sink: BinaryIO, data: bytes) -> None:
    sink.write(data)
    sink.flush()


def _resident_bytes() -> int:
    """0 where the system does not say. (`getrusage` tells the parent's peak, too: it outlives `exec`.)"""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _limit_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    os.nice(5)  # the loop's work goes first
    with suppress(OSError):  # no Linux: then the machine's own choice stands
        Path("/proc/self/oom_score_adj").write_text("1000")
