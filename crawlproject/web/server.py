"""waitress, as a thread beside the scheduler or as a process of its own."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from django.conf import settings
from waitress import wasyncore
from waitress.server import create_server


class AddressInUse(Exception):
    """The address cannot be listened on; the message names it and the remedy."""


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[::1]:PORT``, ``:PORT`` or ``PORT`` as (host, port). Raises `ValueError` in one sentence."""
    host, _colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"“{text}” is no address: give HOST:PORT, such as 127.0.0.1:8000.")
    return host.strip("[]") or "127.0.0.1", int(port)


class WebServer:
    """The site on one address. Binding happens here, so that a taken port is known before anything starts."""

    def __init__(self, host: str, port: int, *, application: Callable[..., object] | None = None) -> None:
        if application is None:
            # Late: it loads the whole site, which a command line that only asks for help does not need.
            from crawlproject.wsgi import application
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            # Bound here, not by waitress, which leaves its sockets open when the address is taken.
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            raise AddressInUse(
                f"{host}:{port} cannot be listened on ({error.strerror}): stop what uses it or give another port, "
                f"as in `make run PORT={port + 1}`."
            ) from error
        self._server = create_server(
            application,
            sockets=[listener],
            threads=settings.WEB_THREADS,
            ident=None,
            clear_untrusted_proxy_headers=not settings.HTTPS,
            # A little above the site's own limit a body gets the site's answer; far above waitress ends it by itself.
            max_request_body_size=4 * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 2**28),
        )
        self.url = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"
        self._thread: threading.Thread | None = None

    def run_until_interrupted(self) -> None:
        """Serve from this thread until Ctrl-C."""
        try:
            self._server.run()
        except KeyboardInterrupt:
            return
        finally:
            self.close()

    def start(self) -> None:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the answers that are under way, then the loop with its sockets, in its own thread."""
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)
        if self._thread is not None:
            # waitress has no other way to end its loop.
            self._server.trigger.pull_trigger(partial(wasyncore.close_all, self._server._map))
            self._thread.join(timeout=5)
        self._server.close()


def stop_on_sigterm() -> None:
    """SIGTERM ends a command as Ctrl-C does: in order, with exit code 0."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
