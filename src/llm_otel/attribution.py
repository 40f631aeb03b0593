"""Who a call is made for: tenant, feature, user, session, conversation, tags.

One immutable `Attribution` lies in the OpenTelemetry context, made when a block is entered and only
read by the calls inside it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import baggage
from opentelemetry.context import Context, create_key, get_current, set_value

from llm_otel import escaping, semconv
from llm_otel.base import arguments, guard
from llm_otel.base.activation import Run, Scoped, wrap
from llm_otel.base.otel_internals import BAGGAGE_KEY

if TYPE_CHECKING:
    from llm_otel.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("llm_otel")

_KEY = create_key("llm_otel.attribution")

# Baggage entry → the span attribute that it carries.
_ENTRIES = {
    semconv.BAGGAGE_TENANT_ID: semconv.TENANT_ID,
    semconv.BAGGAGE_FEATURE: semconv.FEATURE,
    semconv.BAGGAGE_USER_ID: semconv.USER_ID,
    semconv.BAGGAGE_USER_HASH: semconv.USER_HASH,
    semconv.BAGGAGE_SESSION_ID: semconv.SESSION_ID,
}
# What the setting `baggage` names → the entry; of `user_id` by its mode, none when it is off.
_ALLOWED_ENTRY = {
    "tenant_id": semconv.BAGGAGE_TENANT_ID,
    "feature": semconv.BAGGAGE_FEATURE,
    "session_id": semconv.BAGGAGE_SESSION_ID,
}
_USER_ENTRY = {"plain": semconv.BAGGAGE_USER_ID, "hash": semconv.BAGGAGE_USER_HASH}


class Attribution:
    """The values in force at one place; immutable.

    Attributes:
        span_attributes: What every span gets: only values that are set, allowed and, in hash mode,
            hashed.
        tenant_id: Metric label: the tenant, `none` when not set, `other` when it breaks its form.
        feature: Metric label, likewise.
    """

    __slots__ = ("feature", "span_attributes", "tenant_id")

    span_attributes: Mapping[str, str]
    tenant_id: str
    feature: str

    def __init__(self, span_attributes: Mapping[str, str]) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("span_attributes", span_attributes)
        set_("tenant_id", span_attributes.get(semconv.TENANT_ID, semconv.NONE))
        set_("feature", span_attributes.get(semconv.FEATURE, semconv.NONE))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of an Attribution cannot be changed.")

    def __repr__(self) -> str:
        return f"Attribution(tenant_id={self.tenant_id!r}, feature={self.feature!r})"


NOTHING = Attribution({})


@dataclass(frozen=True)
class _Config:
    user_id: str = "off"
    user_id_key: bytes | None = field(default=None, repr=False)
    tags: frozenset[str] = frozenset()
    baggage: tuple[str, ...] = ()  # the allowed entries
    on_refusal: Callable[[str], object] = lambda _label: None  # called with a label of a wrong form

    def user(self, user_id: str) -> dict[str, str]:
        if self.user_id == "plain":
            return {semconv.USER_ID: user_id}
        if self.user_id == "hash" and self.user_id_key:
            digest = hmac.new(self.user_id_key, user_id.encode(), hashlib.sha256)
            return {semconv.USER_HASH: digest.hexdigest()}
        return {}


_DEFAULT = _Config()
_config = _DEFAULT


def configure(
    settings: Settings | None, on_refusal: Callable[[str], object] = lambda _label: None
) -> None:
    """Take over what the settings say of user ids, tags and baggage.

    Args:
        settings: None restores the defaults.
        on_refusal: Called with the name of each label that was given in a wrong form.
    """
    global _config
    if settings is None:
        _config = _DEFAULT
        return
    entries = {**_ALLOWED_ENTRY, "user_id": _USER_ENTRY.get(settings.user_id)}
    allowed = (entries[name] for name in settings.baggage)
    _config = _Config(
        settings.user_id,
        settings.user_id_key,
        frozenset(settings.tags),
        tuple(entry for entry in allowed if entry is not None),
        on_refusal,
    )


def current(ctx: Context | None = None) -> Attribution:
    """The attribution in force: of the innermost block, else of allowed incoming baggage.

    Args:
        ctx: The context to look in; None is the current one.
    """
    if ctx is None:
        ctx = get_current()
    value = ctx.get(_KEY)
    if isinstance(value, Attribution):
        return value
    return _from_baggage(ctx, _config.baggage) if _config.baggage else NOTHING


def user_attributes(user_id: str) -> dict[str, str]:
    """The attributes that name a user as the setting `user_id` allows; none when it is off."""
    return _config.user(user_id)


def provider_context(ctx: Context) -> Context:
    """The same context without our baggage, for the time of a call to a provider.

    Returns `ctx` itself when it holds none.
    """
    if BAGGAGE_KEY is not None and BAGGAGE_KEY not in ctx:
        return ctx
    entries = baggage.get_all(ctx)
    if not entries:
        return ctx
    ours = [name for name in entries if name in _ENTRIES]
    if len(ours) == len(entries):
        return baggage.clear(ctx)
    for name in ours:
        ctx = baggage.remove_baggage(name, ctx)
    return ctx


def with_incoming(context: Context, incoming: Context) -> Context:
    """The context with the attribution that the baggage of a message says, as far as allowed.

    Args:
        context: What the message is worked on in.
        incoming: What the propagators read in the message.
    """
    entries = baggage.get_all(incoming)
    for name in _config.baggage:
        value = entries.get(name)
        if isinstance(value, str) and semconv.BAGGAGE_FORMS[name].fullmatch(value):
            context = baggage.set_baggage(name, value, context)
    return context


def attribution(
    *,
    tenant_id: object = None,
    feature: object = None,
    user_id: object = None,
    session_id: object = None,
    conversation_id: object = None,
    tags: Mapping[str, object] | None = None,
) -> AttributionScope:
    """Say who the calls in a block or a function are made for.

    A context manager (`with`, `async with`) and a decorator of functions, coroutine functions and
    generators of both kinds; in a decorated generator it does not hold while the caller has the
    control. Nested: inner values win, the others are inherited, tags are merged.

    Args:
        tenant_id: Customer; a label of the metrics, so few values (100 a process).
        feature: Part of the product; a label of the metrics (20 a process).
        user_id: Goes out as the setting `user_id` says: `off` (default), `plain`, or `hash`.
        session_id: Session of the user; on spans only.
        conversation_id: Conversation; on spans only.
        tags: Further values, on spans only, for the names that the setting `tags` lists.

    Values are strings, bools, ints, floats, UUIDs or enums of these; None and "" set nothing. Any
    other value, and one of more than 4,096 characters, is left out with one warning.
    """
    values = {
        semconv.TENANT_ID: _label("tenant_id", semconv.TENANT_ID, tenant_id),
        semconv.FEATURE: _label("feature", semconv.FEATURE, feature),
        semconv.SESSION_ID: arguments.text("attribution()", "session_id", session_id),
        semconv.CONVERSATION_ID: arguments.text(
            "attribution()", "conversation_id", conversation_id
        ),
    }
    return AttributionScope(
        {name: value for name, value in values.items() if value is not None},
        arguments.text("attribution()", "user_id", user_id),
        arguments.texts("attribution()", "tags", tags),
    )


class AttributionScope(Scoped[Run]):
    """What `attribution()` gives: enter it or decorate with it, as often as wanted."""

    def __init__(
        self, values: dict[str, str], user_id: str | None, tags: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._values = values
        self._user_id = user_id
        self._tags = tags
        # A decorated function is mostly entered from the same place: keep the last result.
        self._last: tuple[Attribution, _Config, Attribution] | None = None

    def _begin(self) -> Run:
        context = get_current()
        try:
            return Run(self._extend(context, _config))
        except Exception as exc:  # noqa: BLE001
            guard.handle("attribution", exc)
            return Run(context)

    def _extend(self, context: Context, config: _Config) -> Context:
        outer = current(context)
        last = self._last
        if last is None or last[0] is not outer or last[1] is not config:
            own = self._span_attributes(config)
            last = (outer, config, Attribution({**outer.span_attributes, **own}))
            self._last = last
        context = set_value(_KEY, last[2], context)
        return _with_baggage(context, last[2], config.baggage) if config.baggage else context

    def _span_attributes(self, config: _Config) -> dict[str, str]:
        attributes = dict(self._values)
        if self._user_id is not None:
            attributes.update(config.user(self._user_id))
        for name, value in self._tags.items():
            if name in config.tags:
                attributes[semconv.TAG_PREFIX + name] = value
            elif config is not _DEFAULT:
                _warn_once(
                    f"llm-otel leaves out the tag {escaping.short(name)}: the setting `tags` does "
                    "not list it."
                )
        return attributes


def propagate(fn: F) -> F:
    """`fn` bound to the context of here and now, for an executor or a thread.

    Threads do not inherit the context. `executor.submit(llm_otel.propagate(work), item)` runs
    `work` with the attribution and under the span that are current when `propagate` is called.

    Args:
        fn: Function of any kind; what it returns keeps kind and signature.

    Raises:
        TypeError: `fn` is no function.
    """
    context = get_current()
    return wrap(fn, lambda _args, _kwargs: Run(context))


def _label(argument: str, label: str, value: object) -> str | None:
    text = arguments.text("attribution()", argument, value)
    if text is None or semconv.well_formed(label, text):
        return text
    _config.on_refusal(label)
    _warn_once(
        f"llm-otel shows a {label} as {semconv.OTHER!r}: it does not have the form "
        f"{semconv.FORMS[label].pattern}."
    )
    return semconv.OTHER


@functools.lru_cache(maxsize=256)
def _warn_once(sentence: str) -> None:
    logger.warning(sentence)


def _with_baggage(context: Context, attribution: Attribution, allowed: tuple[str, ...]) -> Context:
    """The context with baggage that says what `attribution` says, as far as allowed."""
    entries = baggage.get_all(context)
    for name in allowed:
        value = attribution.span_attributes.get(_ENTRIES[name])
        if value is not None and semconv.BAGGAGE_FORMS[name].fullmatch(value):
            if entries.get(name) != value:
                context = baggage.set_baggage(name, value, context)
        elif name in entries:  # an outer block's, no longer true
            context = baggage.remove_baggage(name, context)
    return context


def _from_baggage(context: Context, allowed: tuple[str, ...]) -> Attribution:
    entries = baggage.get_all(context)
    if not entries:
        return NOTHING
    try:
        return _incoming(allowed, tuple(map(entries.get, allowed)))
    except TypeError:  # an unhashable value: the program's own doing, no header gives that
        return NOTHING


@functools.lru_cache(maxsize=1024)
def _incoming(names: tuple[str, ...], values: tuple[object, ...]) -> Attribution:
    """The attribution of another service, cached: the same few come again and again."""
    return Attribution(
        {
            _ENTRIES[name]: value
            for name, value in zip(names, values)
            if isinstance(value, str) and semconv.BAGGAGE_FORMS[name].fullmatch(value)
        }
    )
