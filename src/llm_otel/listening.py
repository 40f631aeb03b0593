"""Addresses that the servers of the local mode listen at."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def in_url(host: str) -> str:
    """`host` as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def host_name(header: str) -> str:
    """The name in a Host header: in lower case, without the port and the brackets of IPv6."""
    text = header.strip().lower()
    if text.count(":") == 1 or "]" in text:
        text = text.rsplit(":", 1)[0] if not text.endswith("]") else text
    return text.strip("[]").rstrip(".")


def names(host: str, others: Sequence[str], *, local: bool) -> frozenset[str]:
    """What a server at `host` is called by those who may ask it; empty: by any name.

    A web page elsewhere can have its own name point at a loopback address (DNS rebinding), and
    then send and read as its own server; the browser says in the Host header whom it means. A
    server that asks for a token needs no list: such a page does not have the token.

    Args:
        host: The address that the server listens at.
        others: Names that the user adds, as of a proxy in front of it.
        local: Nobody is asked for a token because of where they are.
    """
    if not (local or others):
        return frozenset()
    return frozenset((*LOOPBACK_NAMES, *map(host_name, (host, *others))))


def reachable(host: str) -> str:
    """Where a server that listens at `host` is reached from this machine: at itself, where that is
    every address there is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
