"""Ports for servers that tests start, out of reach of the system's own choice."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

_PORTS = range(20_000, 32_700, 2)
"""Below the ports that systems give to outgoing connections (from 32,768 on Linux): nobody's connection takes one of these between its
choice and the start of the server."""

_TRIES = 100

_any = random.SystemRandom()


def free_port() -> int:
    """A port that nobody listens on, as is the one after it (a demo takes both).

    Raises:
        OSError: if a hundred choices are all taken.
    """
    for _ in range(_TRIES - 1):
        port = _any.choice(_PORTS)
        try:
            return _tried(port)
        except OSError:
            continue
    return _tried(_any.choice(_PORTS))


def _tried(port: int) -> int:
    with ExitStack() as stack:
        for each in (port, port + 1):
            stack.enter_context(socket.create_server(("127.0.0.1", each)))
    return port
