"""Every setting, resolved once into one frozen object; the only reader of the environment.

A setting is one field of `Settings`. Keywords win over environment variables, these over
`llm-otel.yaml`, this over the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

from llm_otel.errors import ConfigError
from llm_otel.semconv import MAX_FEATURES, MAX_MODELS, MAX_TENANTS
from llm_otel.settings import document, kinds, sources
from llm_otel.settings.document import CONFIG_FILE
from llm_otel.settings.kinds import BOOLEAN, Kind
from llm_otel.settings.sources import Option

CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EMIT_EVENT: Final = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
COMPLETION_HOOK: Final = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"

_EVENT_MODES = ("event_only", "span_and_event")


def _about(kind: Kind, *help_: str, **where: Any) -> dict[str, Option]:
    return {"option": Option(kind, " ".join(help_), **where)}


@dataclass(frozen=True)
class Settings:
    """All settings of one `instrument()`; made by `Settings.resolve()`."""

    setup: bool = field(
        default=True,
        metadata=_about(BOOLEAN, "Set up an OpenTelemetry SDK when the program has none."),
    )
    console: bool = field(
        default=False,
        metadata=_about(BOOLEAN, "Print one line for each GenAI span on standard error."),
    )
    flush_on_sigterm: bool = field(
        default=False,
        metadata=_about(
            BOOLEAN,
            "Export what was recorded when SIGTERM ends a program that has no handler for it.",
        ),
    )
    capture_content: str = field(
        default="no_content",
        metadata=_about(
            kinds.choice("no_content", "span_only", "event_only", "span_and_event"),
            "Where messages, instructions and tool arguments may be recorded.",
            env=CAPTURE_CONTENT,
            shared=True,
        ),
    )
    emit_event: bool = field(
        default=False,
        metadata=_about(
            BOOLEAN,
            "Emit an event with the details of each call.",
            "By default only when `capture_content` asks for events.",
            env=EMIT_EVENT,
            shared=True,
        ),
    )
    content_max_length: int = field(
        default=16_384,
        metadata=_about(
            kinds.integer(0, 10_000_000),
            "Characters kept of one string of content; 0 keeps all.",
        ),
    )
    redact: Callable[[str], str] | None = field(
        default=None,
        metadata=_about(
            kinds.FUNCTION,
            "Called with every string of content; what it returns is recorded instead.",
            env="",
            yaml=False,
        ),
    )
    completion_hook: Any = field(
        default=None,
        metadata=_about(
            kinds.HOOK,
            "Receives the content of every call: the name of an entry point of the group",
            "`opentelemetry_genai_completion_hook`, or an object.",
            env=COMPLETION_HOOK,
        ),
    )
    semconv: str = field(
        default="v1.41",
        metadata=_about(
            kinds.choice("v1.41", "latest", "both", "off"),
            "Which version of the semantic conventions names their own metrics and the attributes",
            "that were renamed; `off`: without those metrics.",
        ),
    )
    stream_usage: str = field(
        default="proven",
        metadata=_about(
            kinds.choice("always", "proven", "never"),
            "Where to ask for the usage of a stream when the program does not: everywhere, on",
            "hosts proven to accept it, nowhere.",
        ),
    )
    estimate_usage: bool = field(
        default=False,
        metadata=_about(
            BOOLEAN, "Count tokens locally, flagged as an estimate, where a provider reports none."
        ),
    )
    per_chunk_metric: bool = field(
        default=False,
        metadata=_about(BOOLEAN, "Record the time of every chunk of a stream as a metric."),
    )
    providers: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata=_about(
            kinds.PROVIDERS,
            "Names of providers by host. In the environment: `host=name,host=name`.",
        ),
    )
    prices: Any = field(
        default=None,
        metadata=_about(kinds.PRICES, "Prices of your own.", env=""),
    )
    price_update: bool = field(
        default=False, metadata=_about(BOOLEAN, "Fetch newer price data at run time.")
    )
    user_id: str = field(
        default="off",
        metadata=_about(
            kinds.choice("off", "plain", "hash"),
            "How user ids are recorded. By default `hash` when a key is given, else `off`.",
        ),
    )
    user_id_key: bytes | None = field(
        default=None, repr=False, metadata=_about(kinds.SECRET, "Key of the hash.", yaml=False)
    )
    user_id_key_file: str | None = field(
        default=None, metadata=_about(kinds.PATH, "File that holds the key of the hash.")
    )
    tags: tuple[str, ...] = field(
        default=(),
        metadata=_about(kinds.TAGS, "Keys of the attribution's tags that may be put on spans."),
    )
    baggage: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            kinds.BAGGAGE,
            "What of the attribution travels to your other services in W3C baggage; never to a",
            "provider.",
        ),
    )
    clients: tuple[str, ...] | None = field(
        default=None,
        metadata=_about(
            kinds.CLIENTS, "Client libraries to instrument. By default all that are installed."
        ),
    )
    mcp: bool = field(
        default=True,
        metadata=_about(
            BOOLEAN, "Instrument the MCP SDK, on both sides, where the program imports it."
        ),
    )
    stores: bool = field(
        default=True,
        metadata=_about(BOOLEAN, "Make a span of each search in a vector store, likewise."),
    )
    threads: bool = field(
        default=False,
        metadata=_about(
            BOOLEAN,
            "Carry the context into threads and executors; needs the extra `threads`.",
        ),
    )
    max_models: int = field(
        default=MAX_MODELS,
        metadata=_about(
            kinds.CAP,
            "Values of the metric label `model` in a process; further ones become `other`.",
        ),
    )
    max_features: int = field(
        default=MAX_FEATURES,
        metadata=_about(kinds.CAP, "Values of the metric label `feature`, likewise."),
    )
    max_tenants: int = field(
        default=MAX_TENANTS,
        metadata=_about(kinds.CAP, "Values of the metric label `tenant_id`, likewise."),
    )
    config_file: str | None = field(
        default=None,
        metadata=_about(
            kinds.PATH,
            f"The file to read. By default `{CONFIG_FILE}` in the working directory, if it is",
            "there.",
            yaml=False,
        ),
    )

    @classmethod
    def resolve(cls, **keywords: Any) -> Settings:
        """The settings in force; None as a keyword or in the file means: not given.

        Raises:
            ConfigError: Anything given has a wrong name or value, or the file cannot be read.
        """
        explicit = sources.from_keywords(OPTIONS, keywords)
        ambient = sources.from_environment(OPTIONS, os.environ)
        file = document.load(explicit.get("config_file") or ambient.get("config_file"))
        filed = {**file.parsed(OPTIONS), "config_file": file.path}
        return cls(**_completed({**filed, **ambient, **explicit}))


OPTIONS: Final[Mapping[str, Option]] = {f.name: f.metadata["option"] for f in fields(Settings)}
document.register({name: option.kind.parse for name, option in OPTIONS.items() if option.yaml})


def environment(name: str) -> str:
    """An environment variable without the white space around it; empty when it is not set."""
    return os.environ.get(name, "").strip()


def sdk_disabled() -> bool:
    """Whether the standard variable switches the OpenTelemetry SDK off."""
    return environment("OTEL_SDK_DISABLED").lower() == "true"


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with those defaults that depend on others."""
    values.setdefault("emit_event", values.get("capture_content") in _EVENT_MODES)
    if "user_id_key" not in values and "user_id_key_file" in values:
        values["user_id_key"] = sources.read_key(values["user_id_key_file"], kinds.SECRET)
    values.setdefault("user_id", "hash" if "user_id_key" in values else "off")
    if values["user_id"] == "hash" and "user_id_key" not in values:
        raise ConfigError(
            "user_id is hash, which needs a key: set user_id_key_file or "
            f"LLM_OTEL_USER_ID_KEY to at least {kinds.MIN_KEY_BYTES} bytes."
        )
    return values
