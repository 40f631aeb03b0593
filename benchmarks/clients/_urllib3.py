"""Responses of urllib3 that are in memory, as requests, botocore and azure-core read them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from clients._httpx import Answer, Body


def response(body: Body) -> HTTPResponse:
    """A response that is not read yet."""
    return HTTPResponse(
        BytesIO(b"".join(body.pieces)), body.headers, status=200, preload_content=False
    )


class Memory(HTTPAdapter):
    """An adapter of requests.

    Args:
        answer: Gives the body.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def send(self, request: Any, *_: Any, **__: Any) -> Any:
        """See requests."""
        content = request.body or b""
        data = content.encode() if isinstance(content, str) else content
        return self.build_response(request, response(self._answer(request.path_url, data)))
