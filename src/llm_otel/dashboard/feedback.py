"""Ratings from a page into the lake: by its receiver, or where there is none by its own writer."""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from llm_otel import semconv
from llm_otel.errors import ConfigError
from llm_otel.lake.writer import Writer

_PATIENCE_S: Final = 10.0
_SCOPE: Final = "llm_otel.dashboard"
# A rating of one to five, as a score from 0 to 1.
WORST, BEST = 1, 5
# What a page says then.
NOT_STORED: Final = (
    "The last rating was not stored; the log of the dashboard says why. Rate it again."
)


@dataclass(frozen=True)
class Rating:
    """What a person thinks of an answer.

    Attributes:
        time: When, UTC without a zone.
        evaluation: Its name.
        value: From `WORST` to `BEST`.
        trace_id, span_id: The answer's; 32 and 16 hex digits.
        service, model, feature, tenant_id: The call's; None where it does not say.
        note: Why, in the person's words.
    """

    time: datetime
    evaluation: str
    value: int
    trace_id: str
    span_id: str | None = None
    service: str | None = None
    model: str | None = None
    feature: str | None = None
    tenant_id: str | None = None
    note: str | None = None

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return (self.value - WORST) / (BEST - WORST)


class Feedback:
    """Stores ratings.

    Args:
        lake: The lake's folder.
        receiver: Where its receiver takes OTLP over HTTP; None: not known (yet).
        token: What senders must show there; None: nothing.
    """

    def __init__(self, lake: Path, receiver: Callable[[], str | None], token: str | None) -> None:
        self._lake, self._receiver, self._token = lake, receiver, token

    def store(self, rating: Rating) -> None:
        """On return it is on the disk; pages show it about a second later.

        Raises:
            ConfigError: It could not be stored; the message says why, and what to do.
        """
        address = self._receiver()
        if address is None:
            # The lock keeps a second writer out.
            with Writer(self._lake) as writer:
                writer.append(scores=[_row(rating)])
            return
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        body = json.dumps(_logs(rating)).encode()
        request = urllib.request.Request(f"{address}/v1/logs", body, headers)  # noqa: S310 our own
        # The environment's proxy has no business between two processes of one program.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_PATIENCE_S) as answer:
                rejected = json.loads(answer.read() or b"{}").get("partialSuccess", {})
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The rating was not stored: the receiver at {address} said {error}. Try again."
            ) from error
        if int(rejected.get("rejectedLogRecords", 0)):
            why = rejected.get("errorMessage", "it did not say why")
            raise ConfigError(f"The rating was not stored: the receiver refused it ({why}).")


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"doubleValue" if isinstance(value, float) else "stringValue": value},
        }
        for key, value in values.items()
        if value is not None
    ]


def _logs(rating: Rating) -> dict[str, Any]:
    """As `llm_otel.score` sends it, in OTLP's JSON."""
    moment = str(int(rating.time.replace(tzinfo=timezone.utc).timestamp() * 1e6) * 1000)
    record = {
        "timeUnixNano": moment,
        "observedTimeUnixNano": moment,
        "eventName": semconv.EVENT_EVALUATION,
        "traceId": rating.trace_id,
        **({"spanId": rating.span_id} if rating.span_id else {}),
        "attributes": _attributes(
            {
                semconv.EVALUATION_NAME: rating.evaluation,
                semconv.EVALUATION_SCORE_VALUE: rating.score,
                semconv.EVALUATION_RAW_VALUE: float(rating.value),
                semconv.EVALUATION_SCALE_WORST: float(WORST),
                semconv.EVALUATION_SCALE_BEST: float(BEST),
                semconv.EVALUATION_EXPLANATION: rating.note,
                semconv.MODEL: rating.model,
                semconv.FEATURE: rating.feature,
                semconv.TENANT_ID: rating.tenant_id,
            }
        ),
    }
    scope = {"scope": {"name": _SCOPE}, "logRecords": [record]}
    resource = {"attributes": _attributes({"service.name": rating.service})}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}


def _row(rating: Rating) -> dict[str, Any]:
    others = {
        semconv.EVALUATION_RAW_VALUE: float(rating.value),
        semconv.EVALUATION_SCALE_WORST: float(WORST),
        semconv.EVALUATION_SCALE_BEST: float(BEST),
    }
    return {
        "time": rating.time,
        "trace_id": rating.trace_id,
        "span_id": rating.span_id,
        "service_name": rating.service,
        "evaluation": rating.evaluation,
        "score": rating.score,
        "model": rating.model,
        "feature": rating.feature,
        "tenant_id": rating.tenant_id,
        "explanation": rating.note,
        "attributes": json.dumps(others),
        "event_id": random.getrandbits(63),
    }
