"""What a message leaves open of its price, and what its request says to that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llm_otel.base import read
from llm_otel.protocols.spec import Request
from llm_otel.usage import Usage

# A container is billed by the hour beyond a free allowance, unless the request has a newer tool of
# the web: these run code themselves.
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool#usage-and-pricing
CONTAINER = "container"
_IN_CONTAINERS = frozenset({"code_execution", "bash_code_execution", "text_editor_code_execution"})
_RUNS_CODE = re.compile(r"code_execution_\d+")
_OF_THE_WEB = re.compile(r"web_(?:search|fetch)_(\d{8})")
_FREE_SINCE = "20260209"

# A cache that lives an hour costs more to write than one of five minutes.
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching#1-hour-cache-duration
LIFETIME = "lifetime"
_HOUR = "1h"


def is_fallback(block: object) -> bool:
    """Whether a block shows that another model refused before."""
    return read.text(block, "type") == "fallback"


def runs_in_container(block: object) -> bool:
    """Whether a block shows that a tool ran in a container."""
    kind, name = read.text(block, "type"), read.text(block, "name")
    return kind == "server_tool_use" and name in _IN_CONTAINERS


def doubts(body: object, used: Usage, blocks: Iterable[object]) -> frozenset[str]:
    """What is open of a message's price.

    Args:
        body: The usage as Anthropic sent it; None where that was looked at.
        used: The usage.
        blocks: The message's.
    """
    tools = read.path(body, ("server_tool_use", "code_execution_requests"))
    opened = set()
    if read.count(tools) or any(map(runs_in_container, blocks)):
        opened.add(CONTAINER)
    by_lifetime = body is None or read.get(body, "cache_creation") is not None
    if used.cache_write_tokens and not by_lifetime:
        opened.add(LIFETIME)
    return frozenset(opened)


def unsettled(doubts: frozenset[str], request: Request) -> bool:
    """Whether a request leaves open what its answer left open, or adds to it."""
    body = request.body
    if request.extra is not None:
        body = {**body, **read.fields(request.extra)}
    kinds = [read.text(tool, "type") or "" for tool in read.items(body, "tools")]
    if CONTAINER in doubts or any(map(_RUNS_CODE.fullmatch, kinds)):
        free = any((match := _OF_THE_WEB.match(kind)) and match[1] >= _FREE_SINCE for kind in kinds)
        # Files are put into a container even if no tool asks for it.
        if not free and (CONTAINER in doubts or _uploads(body)):
            return True
    return LIFETIME in doubts and any(_lives_an_hour(each) for each in _cached(body))


def _uploads(body: object) -> bool:
    return any(read.text(block, "type") == "container_upload" for block in _blocks(body))


def _blocks(body: object) -> Iterator[object]:
    for message in read.items(body, "messages"):
        yield from read.items(message, "content")


def _cached(body: object) -> Iterator[object]:
    """Where a request may say that something is to be kept in a cache."""
    yield body
    yield from read.items(body, "system")
    yield from read.items(body, "tools")
    yield from _blocks(body)


def _lives_an_hour(node: object) -> bool:
    return read.path(node, ("cache_control", "ttl")) == _HOUR
