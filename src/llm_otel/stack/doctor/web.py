"""HTTP as the doctor needs it: short, without a proxy, and no exception for an answer."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final, TypeVar

_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.25
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status; 0 when nothing came that is HTTP.
        text: The body, or why there is none.
        listening: Whether anything accepted the connection.
    """

    status: int
    text: str
    listening: bool = True

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def brief(self) -> str:
        """Status and the beginning of the body, on one line."""
        return f"{self.status or 'no HTTP'} {' '.join(self.text.split())[:160]}".strip()


def fetch(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer of `url` to GET, or to POST when there is `data`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data, dict(headers or {}))  # noqa: S310 - checked by the command
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return Answer(answer.status, answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as exc:
        with exc:
            return Answer(exc.code, exc.read().decode("utf-8", "replace"))
    except urllib.error.URLError as exc:
        return Answer(0, str(exc.reason), listening=False)
    except (HTTPException, OSError) as exc:
        return Answer(0, str(exc) or type(exc).__name__)


def basic(user: str, password: str) -> dict[str, str]:
    """The header that logs a user in."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def wait(ask: Callable[[], _T], seconds: float) -> _T:
    """The first true thing that `ask` returns; the last one when none is true for `seconds`."""
    until = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() > until:
            return answer
        time.sleep(_POLL_SECONDS)
