"""What both services do for their telemetry."""

from __future__ import annotations

from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

import llm_otel


def set_up(app: FastAPI) -> None:
    """Instrument the calls and the requests that come in; before the app serves the first.

    `baggage` is needed on both sides: the one lets the values out, the other believes them.
    uvicorn ends by the signal that it was sent, so what is not exported yet must be then.
    """
    llm_otel.instrument(console=True, baggage=["tenant_id", "feature"], flush_on_sigterm=True)
    # Takes the trace and the baggage from the headers of a request.
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
