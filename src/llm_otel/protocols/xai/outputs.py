"""The outputs of a completion, as the SDK's protobuf messages have them."""

from __future__ import annotations

from collections.abc import Mapping

# Numbers of `MessageRole` and `FinishReason`: a message holds no names.
ROLE_TOOL = 5
_FINISH_REASONS: Mapping[int, str] = {1: "length", 2: "length", 3: "stop", 4: "tool_call"}
TIME_LIMIT = 5


def message_of(response: object) -> object:
    """The protobuf message in a response of the SDK; a message itself."""
    return getattr(response, "proto", response)


def assistant_outputs(completion: object) -> list[object]:
    """The choices of a completion. Where the provider ran tools, their results and the turns before
    the last are outputs, too: then the last is the choice."""
    outputs = list(getattr(completion, "outputs", None) or ())
    turns = [each for each in outputs if role_of(each) != ROLE_TOOL]
    return turns if len(turns) == len(outputs) else turns[-1:]


def role_of(output: object) -> int:
    """The number of an output's role."""
    role = getattr(getattr(output, "message", None), "role", 0)
    return role if type(role) is int else 0


def finish_reason(number: object) -> str:
    """The convention's word for a reason; `error` for those that are a failure."""
    return _FINISH_REASONS.get(number, "error") if type(number) is int else "error"
