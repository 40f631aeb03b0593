"""The events of a streamed response, in OpenAI's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .answers import split
from .messages import Json


def response_events(unfinished: Json, final: Json) -> Iterator[Json]:
    """All events from `response.created` to the one that holds the finished response."""
    yield {"type": "response.created", "response": unfinished}
    yield {"type": "response.in_progress", "response": unfinished}
    for index, item in enumerate(final["output"]):
        start, between = _ITEMS[item["type"]]
        yield {
            "type": "response.output_item.added",
            "item": {**item, **start},
            "output_index": index,
        }
        for event in between(item):
            yield {**event, "item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.done", "item": item, "output_index": index}
    yield {"type": f"response.{final['status']}", "response": final}


def _message(item: Json) -> Iterator[Json]:
    for index, part in enumerate(item["content"]):
        place = {"content_index": index}
        empty = {**part, "text": ""}
        yield {"type": "response.content_part.added", "part": empty, **place}
        for piece in split(part["text"]):
            delta = {"delta": piece, "logprobs": []}
            yield {"type": "response.output_text.delta", **delta, **place}
        done = {"text": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **done, **place}
        yield {"type": "response.content_part.done", "part": part, **place}


def _function_call(item: Json) -> Iterator[Json]:
    kind, arguments = "response.function_call_arguments", item["arguments"]
    for start in range(0, len(arguments), 8):
        yield {"type": kind + ".delta", "delta": arguments[start : start + 8]}
    yield {"type": kind + ".done", "arguments": arguments, "name": item["name"]}


def _web_search(item: Json) -> Iterator[Json]:  # noqa: ARG001
    for phase in ("in_progress", "searching", "completed"):
        yield {"type": f"response.web_search_call.{phase}"}


def _reasoning(item: Json) -> Iterator[Json]:  # noqa: ARG001
    return iter(())


# type of an output item: what differs in it when it is added, and the events until it is done
_ITEMS: dict[str, tuple[Json, Callable[[Json], Iterator[Json]]]] = {
    "message": ({"status": "in_progress", "content": []}, _message),
    "function_call": ({"status": "in_progress", "arguments": ""}, _function_call),
    "web_search_call": ({"status": "in_progress"}, _web_search),
    "reasoning": ({}, _reasoning),
}
