"""Claude Agent SDK: its requests are sent by another process, which we do not see."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

sdk = pytest.importorskip("claude_agent_sdk")

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query
from frameworks.parts import Question


def test_nothing_is_counted_that_is_not_seen(question: Question, tmp_path: Path) -> None:
    """The program that it starts sends its requests; what it says of them is the SDK's own."""
    options = ClaudeAgentOptions(
        cwd=tmp_path,
        max_turns=1,
        setting_sources=[],
        env={
            "ANTHROPIC_BASE_URL": question.p.origin,
            "ANTHROPIC_API_KEY": "test",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
            "HOME": str(tmp_path),
        },
    )

    async def ask() -> ResultMessage:
        results = [
            each
            async for each in query(prompt="Hello.", options=options)
            if isinstance(each, ResultMessage)
        ]
        return results[-1]

    result = asyncio.run(ask())
    assert not result.is_error, result
    assert len(question.p.requests) >= 1
    assert question.telemetry.spans == []
    assert question.telemetry.count("gen_ai.request.duration") == 0
