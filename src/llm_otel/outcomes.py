"""Outcomes of interactions: did they do what they were for, and what was that worth."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from llm_otel import semconv
from llm_otel.attribution import user_attributes
from llm_otel.base import arguments, guard
from llm_otel.core.verdicts import Subject

_CALL = "outcome()"
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# Arguments of their own, not to be forged by an attribute of the same name.
_OWN = frozenset(
    name.removeprefix(semconv.OUTCOME_PREFIX)
    for name in (semconv.OUTCOME_SUCCESS, semconv.OUTCOME_KIND, semconv.OUTCOME_VALUE)
)
# Names of a user: what goes out of one is for the setting `user_id` to say.
_USER = frozenset({"user", "userid", "enduser", "enduserid", "useremail", "email"})
_SIGNS = re.compile(r"[-._]")


def outcome(
    *,
    success: bool,
    kind: str = semconv.NONE,
    value_usd: float | None = None,
    trace_id: str | int | None = None,
    span_id: str | int | None = None,
    response_id: str | None = None,
    feature: str | None = None,
    tenant_id: str | None = None,
    attributes: Mapping[str, object] | None = None,
    **more_attributes: object,
) -> None:
    """Record how an interaction ended: event `llm_otel.outcome` and the outcome metrics.

    Without ids the outcome is about the current span, and takes feature and tenant from the
    attribution. With any id it comes from elsewhere, and knows only what it is told.

    ```python
    llm_otel.outcome(success=True, kind="ticket_resolved", value_usd=4.5, ticket_id="T-17")
    ```

    Never raises for a value: an argument of a wrong form is left out with one warning, and the
    whole outcome where that is `success`.

    Args:
        success: Whether the interaction did what it was for.
        kind: What it was for, one of few names: `ticket_resolved`, `order`.
        value_usd: What it brought, in USD, from 0 on; counted only when given.
        trace_id: Trace of the interaction, as 32 hex digits or an int.
        span_id: Its span, as 16 hex digits or an int; needs `trace_id`.
        response_id: The provider's id of the answer that decided.
        feature: Feature that the interaction belongs to.
        tenant_id: Tenant that it was made for.
        attributes: What else is known of it, on the event only, as `llm_otel.outcome.<name>`: at
            most 32 strings, numbers, bools, UUIDs or enums of these.
        **more_attributes: The same as keywords. A `user_id` goes out as the setting `user_id` says.
    """
    try:
        succeeded = arguments.flag(_CALL, "success", success)
        if succeeded is None:
            return
        purpose = arguments.text(_CALL, "kind", kind) or semconv.NONE
        value = arguments.number(_CALL, "value_usd", value_usd)
        subject = Subject.of(
            _CALL,
            trace_id=trace_id,
            span_id=span_id,
            response_id=response_id,
            feature=feature,
            tenant_id=tenant_id,
        )
        extra = _attributes(attributes, more_attributes)
        _emit(subject, succeeded, purpose, value, extra)
    except Exception as exc:  # noqa: BLE001
        guard.handle("outcome", exc)


def _attributes(
    mapping: Mapping[str, object] | None, keywords: Mapping[str, object]
) -> dict[str, Any]:
    """The attributes of the event, by their whole names."""
    usable: dict[str, Any] = {}
    items = partial(arguments.items, _CALL, "attributes")
    for name, place, value in (*items(mapping), *items(keywords)):
        if _SIGNS.sub("", name.lower()) in _USER:
            user_id = arguments.text(_CALL, place, value)
            usable.update(user_attributes(user_id) if user_id else {})
        elif name in _OWN or not _KEY.fullmatch(name):
            reason = "its name is an argument's, or not 1 to 64 letters, digits and . _ -"
            arguments.leave_out(_CALL, place, reason)
        elif len(usable) >= semconv.MAX_OUTCOME_ATTRIBUTES:
            reason = f"there are more than {semconv.MAX_OUTCOME_ATTRIBUTES}"
            arguments.leave_out(_CALL, "some attributes", reason)
        else:
            plain = _plain(place, value)
            if plain is not None:
                usable[semconv.OUTCOME_PREFIX + name] = plain
    return usable


def _plain(place: str, value: object) -> str | bool | int | float | None:
    """A number or a bool as it is, where OTLP can carry it; all else as text."""
    if type(value) is bool or (type(value) is int and -(2**63) <= value < 2**63):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    return arguments.text(_CALL, place, value)


def _emit(
    subject: Subject, success: bool, kind: str, value: float | None, extra: Mapping[str, Any]
) -> None:
    from llm_otel.core import runtime
    from llm_otel.core.metrics import feedback

    active = runtime.get()
    feedback.outcome(
        active.instruments.table, success, kind, subject.feature, subject.tenant_id, value
    )
    attributes = {
        **extra,
        semconv.OUTCOME_SUCCESS: success,
        semconv.OUTCOME_KIND: None if kind == semconv.NONE else kind,
        semconv.OUTCOME_VALUE: value,
    }
    subject.emit(active.logger, semconv.EVENT_OUTCOME, attributes)
