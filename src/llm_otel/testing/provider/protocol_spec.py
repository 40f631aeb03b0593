"""What all endpoints of one provider's API share: its errors, and the headers of its replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .limits import Remaining
from .messages import Json, ReceivedRequest, Reply

# Status, type, code and message of an error.
Refusal = tuple[int, str, "str | None", str]


@dataclass(frozen=True)
class Protocol:
    """How one provider's API speaks, whatever the endpoint.

    Attributes:
        refusals: The error that is answered for each of `REFUSALS`.
        error_type: Type of an error that says no better one, by status; the default is at 400.
        error_body: The body of an error, from its type, code, parameter and message.
        error_event: How a stream reports an error, from the error's body.
        broken_event: An event of a stream whose JSON is broken.
        limit_headers: The headers that tell of the rate limit.
        identity_headers: Headers that name the request, from its id, the request and its reply.
    """

    refusals: Mapping[str, Refusal]
    error_type: Mapping[int, str]
    error_body: Callable[[str, str | None, str | None, str], Json]
    error_event: Callable[[Json], bytes]
    broken_event: bytes
    limit_headers: Callable[[Iterable[Remaining]], dict[str, str]]
    identity_headers: Callable[[str, ReceivedRequest, Reply], dict[str, str]]

    def error(
        self,
        status: int,
        message: str,
        *,
        type_: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply for an error."""
        type_ = type_ or self.error_type.get(status) or self.error_type[400]
        body = self.error_body(type_, code, param, message)
        return Reply(status=status, body=body, headers=headers or {})

    def refusal(self, fault: str, headers: Mapping[str, str]) -> Reply:
        """The reply for one of `REFUSALS`."""
        status, type_, code, message = self.refusals[fault]
        return self.error(status, message, type_=type_, code=code, headers=headers)
