"""A network of one machine: nodes in namespaces of their own, and addresses for what they share, each of which can be cut off.

A cut is silent, as a pulled cable is: nothing is refused, packets are lost. Needs root and `ip` of iproute2.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_BRIDGE = "recsys-chaos"
_NET = "10.77.0"
FRONT, DATABASES, STORE = f"{_NET}.254", (f"{_NET}.1", f"{_NET}.2"), f"{_NET}.3"
SUBNET = f"{_NET}.0/24"
_NOBODY = "02:00:00:00:00:99"
"""An address of hardware that nothing has."""


class Place:
    """One node's namespace, and its address in the network."""

    def __init__(self, number: int) -> None:
        self.name, self.address, self._cable = f"recsys-node{number}", f"{_NET}.{10 + number}", f"recsys-{number}"
        self.command = ("ip", "netns", "exec", self.name)
        """Words before a command that runs there."""

    def plug_in(self) -> None:
        """Make the namespace, with a cable to the bridge."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self._cable, "master", _BRIDGE, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "link", "set", "eth0", "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")

    def cut(self) -> None:
        """Pull the cable: nobody reaches the node, and it reaches nobody."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self._cable, "up")

    def lose(self, address: str) -> None:
        """Have nothing that the node sends to an address arrive."""
        _ip("-n", self.name, "neigh", "replace", address, "lladdr", _NOBODY, "dev", "eth0", "nud", "permanent")

    def find(self, address: str) -> None:
        """Have the address be reached again."""
        _ip("-n", self.name, "neigh", "del", address, "dev", "eth0")


@contextmanager
def network(nodes: int) -> Iterator[list[Place]]:
    """Make the network of so many nodes; it is gone afterwards.

    Raises:
        CalledProcessError: if this user may not make one.
    """
    places = [Place(number) for number in range(1, nodes + 1)]
    _remove(places)
    try:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{FRONT}/24", "dev", _BRIDGE)  # first: what goes out from here comes from it
        for address in (*DATABASES, STORE):
            _ip("addr", "add", f"{address}/32", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for place in places:
            place.plug_in()
        yield places
    finally:
        _remove(places)


def _remove(places: list[Place]) -> None:
    for words in (*(("netns", "del", place.name) for place in places), ("link", "del", _BRIDGE)):
        subprocess.run(["ip", *words], capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
