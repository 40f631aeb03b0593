"""`capture()`: the telemetry of a block of code, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .telemetry import Telemetry

_PRICES_SECONDS = 30.0


@contextmanager
def capture(*, fixed_ids: bool = False, **settings: Any) -> Iterator[Telemetry]:
    """Instruments a block on providers of its own and keeps all telemetry in memory.

    ```python
    with llm_otel.testing.capture() as telemetry:
        client.chat.completions.create(model="gpt-4o", messages=messages)
    assert telemetry.span.attributes["gen_ai.request.model"] == "gpt-4o"
    ```

    The global OpenTelemetry providers are not touched. An `llm_otel.instrument()` that was active
    before is taken out, and stays out afterwards. Waits for the price table, so that costs are
    there from the first call on.

    Args:
        fixed_ids: Trace and span ids are 1, 2, 3, … instead of random.
        settings: Those of `llm_otel.instrument()`. `providers={"127.0.0.1": "openai"}` has calls
            of the local provider named and priced as OpenAI's.

    Raises:
        llm_otel.ConfigError: A setting is wrong.
    """
    from llm_otel import instrument, uninstrument

    from .memory import Memory

    memory = Memory(fixed_ids=fixed_ids)
    uninstrument()
    try:
        instrument(
            tracer_provider=memory.tracer_provider,
            meter_provider=memory.meter_provider,
            logger_provider=memory.logger_provider,
            **settings,
        )
        _wait_for_prices()
        yield Telemetry(memory)
    finally:
        memory.freeze()
        uninstrument()
        memory.close()


def _wait_for_prices() -> None:
    from llm_otel.core import runtime

    active = runtime.active()
    if active is not None:
        active.pricing.wait(_PRICES_SECONDS)
