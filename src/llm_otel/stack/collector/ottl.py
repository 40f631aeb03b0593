"""The allow list as statements of the Collector's transform language (OTTL).

A record's attributes are built anew: what is allowed and has its form is copied to an empty map,
which then takes the place of the old one. So nothing has to be found in order to be removed: no map
or bytes under an allowed key, nor the second of two values under one key. A span that has nothing
but usual attributes, each once and in its form, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.stack.collector import allowed, foreign
from llm_otel.stack.collector.allowed import (
    CONTENT,
    DATAPOINT,
    EVENTS,
    EXCEPTION,
    LOG,
    METRICS,
    OPERATIONS,
    RESOURCE,
    SPAN,
    SPAN_EVENT,
    USUAL,
    Form,
)

_OTHER: Final = f'"{semconv.OTHER}"'
_EMPTY: Final = '""'
_UNUSUAL: Final = 'span.attributes["llm_otel.unusual"]'
_MOST_IN_LIST: Final = 128
_TOKEN: Final = "[A-Za-z0-9@][A-Za-z0-9._:/@+#~-]{0,127}"  # noqa: S105 - no secret
_SCHEMA: Final = "https://opentelemetry[.]io/schemas/[0-9.]{1,16}"
_SEVERITY: Final = "(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)[2-4]?"

# Condition on `{at}` for each kind of form. Of different types, and of what is not there, a
# comparison is false: it asks for the type at a third of what `IsString` and `IsInt` cost.
_CONDITIONS: Final[Mapping[str, str]] = {
    "text": '{at} > "" and IsMatch({at}, {pattern})',
    "texts": f"IsList({{at}}) and Len({{at}}) <= {_MOST_IN_LIST}"
    " and IsMatch(String({at}), {pattern})",
    "count": "{at} >= 0",
    "number": "({at} >= 0 or {at} < 0)",
    "flag": "({at} == true or {at} == false)",
    "value": '({at} > "" and IsMatch({at}, {pattern}) or {at} >= 0 or {at} < 0'
    " or {at} == true or {at} == false)",
}


def transform(tags: Iterable[str] = (), content: bool = False) -> dict[str, Any]:
    """The configuration of the processor `transform/allow`.

    Args:
        tags: Keys of tags that spans, and of attributes that outcomes may have.
        content: Let prompts and completions through, as the overlay `content.yaml` does.
    """
    extra = tuple(CONTENT) if content else ()
    tagged = allowed.tags(tags)
    usual = {key: (SPAN[key], words) for key, words in USUAL.items()}
    usual |= {key: (form, ()) for key, form in tagged.items()}
    span = {**SPAN, **tagged}
    log = {**LOG, **allowed.outcome_attributes(tags)}
    shared = (
        ("resource", [*_rebuilt("resource", RESOURCE), _schema("resource")]),
        ("scope", _scope()),
    )
    return {
        # with `ignore` a statement that fails would let its record through
        "error_mode": "propagate",
        "trace_statements": _groups(
            *shared,
            ("span", [*_usual_span(usual), *_span(content)]),
            ("span", [*foreign.renamed(), *_rebuilt("span", span, extra)], f"{_UNUSUAL} != nil"),
            ("spanevent", [*_rebuilt("spanevent", SPAN_EVENT), _held("spanevent.name", EXCEPTION)]),
        ),
        "metric_statements": _groups(
            *shared,
            ("metric", _metric()),
            ("datapoint", foreign.classed(), foreign.unclassed(allowed.ERROR_CLASS)),
            ("datapoint", _rebuilt("datapoint", DATAPOINT)),
            ("metric", foreign.summed()),
            ("exemplar", ["keep_keys(exemplar.filtered_attributes, [])"]),
        ),
        "log_statements": _groups(*shared, ("log", [*_rebuilt("log", log, extra), *_log()])),
    }


def unknown_metric() -> str:
    """The condition that the processor `filter/allow` drops a metric on."""
    return f"not IsMatch(metric.name, {_anchored(_either(each.name for each in METRICS))})"


def _groups(*groups: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Groups of statements: a context, the statements, and conditions on the record, if any."""
    # Without a `context` the most specific one of all paths would be taken for all statements, and
    # a span without events pass untouched.
    return [
        {
            "context": context,
            **({"conditions": conditions} if conditions else {}),
            "statements": list(statements),
        }
        for context, statements, *conditions in groups
    ]


def _usual_span(usual: Mapping[str, tuple[Form, tuple[str, ...]]]) -> list[str]:
    """Statements that mark a span which is not just usual attributes, each once, in its form.

    Most spans are calls that went well: building them anew key by key would cost a quarter more. A
    mark from outside is no usual attribute, so its span is marked, too.
    """
    fits = " and ".join(
        _fits(f'span.attributes["{key}"]', form, words) for key, (form, words) in usual.items()
    )
    return [
        # the second of two values under one key takes the place of the first: there is one less
        'merge_maps(span.cache, span.attributes, "upsert")',
        _kept("span.cache", usual),
        f"set({_UNUSUAL}, true) where Len(span.cache) != Len(span.attributes) or not ({fits})",
    ]


def _fits(at: str, form: Form, words: Iterable[str]) -> str:
    """The condition that a value has its form and is one of the words, if any, or is not there."""
    only = form.kind == "texts"
    item = f"{at}[0]" if only else at
    if words:
        # at a quarter of what a pattern costs
        fits = f"({' or '.join(f'{item} == {_quoted(word)}' for word in words)})"
    else:
        kind = "text" if only else form.kind
        fits = _CONDITIONS[kind].format(at=item, pattern=_anchored(form.pattern))
    if only:
        fits = f"IsList({at}) and Len({at}) == 1 and {fits}"
    return f"({fits} or {at} == nil)"


def _kept(attributes: str, names: Iterable[str]) -> str:
    return f"keep_keys({attributes}, [{', '.join(map(_quoted, names))}])"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _rebuilt(context: str, forms: Mapping[str, Form], content: Iterable[str] = ()) -> list[str]:
    """Statements that leave the allowed attributes whose values have their form.

    What identifies a series becomes `other`, so that its labels stay the same; else it is dropped.
    """
    attributes, cache = f"{context}.attributes", f"{context}.cache"
    statements = [_kept(attributes, (*forms, *content))]
    for key, form in forms.items():
        source, target = f'{attributes}["{key}"]', f'{cache}["{key}"]'
        statements.append(_copied(source, target, form))
        if form.kind == "text" and context in ("resource", "datapoint"):
            statements.append(f'set({target}, {_OTHER}) where {source} > "" and {target} == nil')
    for key in content:
        at = f'{attributes}["{key}"]'
        statements.append(f'set({cache}["{key}"], {at}) where {at} != nil')
    return [*statements, f"set({attributes}, {cache})"]


def _copied(source: str, target: str, form: Form) -> str:
    if form.kind == "texts":
        # read back from the text that was matched: then the elements are texts, too
        value, pattern = f"ParseJSON(String({source}))", _list_of(form.pattern)
    else:
        value, pattern = source, _anchored(form.pattern)
    condition = _CONDITIONS[form.kind].format(at=source, pattern=pattern)
    return f"set({target}, {value}) where {condition}"


def _anchored(pattern: str) -> str:
    return f'"^(?:{pattern})$"'


def _list_of(pattern: str) -> str:
    """The JSON of a list of texts."""
    return rf'"^[[]\"{pattern}\"(?:,\"{pattern}\")*[]]$"'


def _either(names: Iterable[str]) -> str:
    brackets = str.maketrans({".": "[.]", "{": "[{]", "}": "[}]"})
    return "|".join(sorted(name.translate(brackets) for name in set(names)))


def _held(path: str, pattern: str, otherwise: str = _OTHER) -> str:
    """Replaces a text that has not the form."""
    return f"set({path}, {otherwise}) where not IsMatch({path}, {_anchored(pattern)})"


def _schema(context: str) -> str:
    return _held(f"{context}.schema_url", f"(?:{_SCHEMA})?", _EMPTY)


def _scope() -> list[str]:
    return [
        "set(scope.attributes, {})",
        _held("scope.name", f"(?:{_TOKEN})?"),
        _held("scope.version", f"(?:{_TOKEN})?"),
        _schema("scope"),
    ]


def _span(content: bool) -> list[str]:
    statements = [
        _held("span.name", f"(?:{_either(OPERATIONS)})(?: {_TOKEN})?"),
        f"set(span.trace_state, {_EMPTY})",
        # attributes of links cannot be reached, and `clear` panics (0.161)
        "set(span.links, nil)",
    ]
    # providers quote the prompt in their errors: the text of an exception is content
    return statements if content else [*statements, f"set(span.status.message, {_EMPTY})"]


def _metric() -> list[str]:
    return [
        _held("metric.unit", _either(each.unit for each in METRICS), _EMPTY),
        f"set(metric.description, {_EMPTY})",
        "set(metric.metadata, {})",
    ]


def _log() -> list[str]:
    return [
        f"set(log.body, {_EMPTY}) where log.body != nil",
        _held("log.severity_text", f"(?:{_SEVERITY})?", _EMPTY),
        _held("log.event_name", f"(?:{_either(EVENTS)})?"),
    ]
