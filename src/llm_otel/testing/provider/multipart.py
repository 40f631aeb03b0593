"""Form data with files, as the SDKs upload it."""

from __future__ import annotations

import re

from .messages import ProtocolError, ReceivedRequest

_NAME = re.compile(rb'name="([^"]*)"')


def form(request: ReceivedRequest) -> dict[str, bytes]:
    """The fields of a multipart body by name; of repeated ones the last.

    Raises:
        ProtocolError: The body is no multipart form.
    """
    found = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if found is None:
        raise ProtocolError("Expected a multipart/form-data body.")
    fields = {}
    for part in request.body.split(b"--" + found[1].encode("latin-1")):
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name:
            fields[name[1].decode("utf-8", "replace")] = content.removesuffix(b"\r\n")
    return fields


def text_of(fields: dict[str, bytes], name: str, default: str = "") -> str:
    """A field as text."""
    return fields[name].decode("utf-8", "replace") if name in fields else default
