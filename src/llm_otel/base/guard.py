"""The guard between our code and the host: our failure is one log line and one count."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("llm_otel")

# Our own tests set this, so that a swallowed bug fails the suite.
strict = False

# Set by the runtime: counts `llm_otel.internal_errors` by site.
count: Callable[[str], None] | None = None

_logged: set[str] = set()


def handle(site: str, exc: Exception) -> None:
    """Log the first failure of `site`, count every one; re-raise when `strict`.

    The log line names the exception's type and place, never its message: messages quote prompts.

    Args:
        site: Name of the guarded block, one of few constants.
        exc: What was caught there.

    Raises:
        Exception: `exc` itself, only when `strict` is set.
    """
    if strict:
        raise exc
    try:
        if count is not None:
            count(site)
        if site not in _logged:
            _logged.add(site)
            logger.warning(
                "llm-otel failed in %r (%s at %s); your program goes on with less telemetry. "
                "Further failures there are counted in llm_otel.internal_errors.",
                site,
                type(exc).__name__,
                _place(exc),
            )
    except Exception:  # noqa: BLE001 - the guard itself must never raise
        pass


def _place(exc: Exception) -> str:
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "?"
    code = frame.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
