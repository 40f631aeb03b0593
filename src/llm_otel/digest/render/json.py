"""A digest as JSON, for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from llm_otel.digest import sentences
from llm_otel.digest.model import Digest


def render(digest: Digest) -> str:
    """The digest as one JSON object; times are ISO 8601, what is not known is null."""
    document = {"headline": sentences.headline(digest), **_plain(dataclasses.asdict(digest))}
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else key.isoformat(): _plain(v) for key, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    # the score of a change where nothing had ever changed; JSON has no infinity
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
