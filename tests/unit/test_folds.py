"""Chunks as a strange client may make them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from llm_otel.protocols.openai import CHAT
from llm_otel.providers.dialects import PLAIN


@pytest.mark.parametrize("choices", [iter([1, 2]), (each for each in "ab"), None, 5, [], [1, 2]])
def test_what_is_no_list_of_choices_is_left_alone(choices: object) -> None:
    """Nothing of the caller's is used up by looking at it."""
    fold = CHAT.protocol.fold(CHAT, PLAIN)
    fold.add(SimpleNamespace(model="m", usage=None, choices=choices))
    fold.add(SimpleNamespace(model="m", usage=None, choices=choices))
    assert fold.answer().model == "m"
    if hasattr(choices, "__next__"):
        assert len(list(choices)) == 2  # type: ignore[call-overload]


def test_a_chunk_that_goes_on_does_not_hide_the_end() -> None:
    """The first, one in the middle, the end, and the usage behind it."""
    fold = CHAT.protocol.fold(CHAT, PLAIN)
    for reason, usage in (
        (None, None),
        (None, None),
        ("stop", None),
        (None, {"prompt_tokens": 1, "completion_tokens": 2}),
    ):
        choice = SimpleNamespace(index=0, finish_reason=reason)
        fold.add(SimpleNamespace(model="m", usage=usage, choices=[choice] if not usage else []))
    assert fold.ended
    assert fold.answer().finish_reasons == ["stop"]
    assert fold.answer().usage is not None
