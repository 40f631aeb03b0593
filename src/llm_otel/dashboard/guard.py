"""Who may read the dashboard, and what a browser may do with it."""

from __future__ import annotations

import hmac
from typing import Any, Final
from urllib.parse import urlencode

import flask

from llm_otel.listening import host_name

COOKIE: Final = "llm_otel_token"
_DAYS_30: Final = 30 * 86_400
_REFUSED: Final = (
    "This dashboard asks for a token. Open it once with ?token=… as `llm-otel serve` printed it."
)
# Only what the dashboard itself serves; pictures of the style sheet are in it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def protect(application: flask.Flask, token: str | None, hosts: frozenset[str]) -> None:
    """Ask for the token where there is one, answer only for `hosts`, and load nothing from
    elsewhere."""

    @application.before_request
    def admit() -> Any:
        if hosts and host_name(flask.request.host) not in hosts:
            return flask.Response("This name is not one that the dashboard answers to.", 421)
        if token is None or _is_token(token, flask.request.cookies.get(COOKIE)):
            return None
        credential = flask.request.args.get("token")
        if not _is_token(token, credential):
            return flask.Response(_REFUSED, 401, mimetype="text/plain")
        # The token leaves the address: it would stay in the history and in what is copied.
        parameters = [(k, v) for k, v in flask.request.args.items(multi=True) if k != "token"]
        answer = flask.redirect(_address(parameters))
        answer.set_cookie(COOKIE, token, max_age=_DAYS_30, httponly=True, samesite="Strict")
        return answer

    @application.after_request
    def harden(answer: flask.Response) -> flask.Response:
        answer.headers.setdefault("Content-Security-Policy", _POLICY)
        if flask.request.endpoint != "static":
            answer.headers["Cache-Control"] = "no-store"  # it may hold what people said
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def _is_token(token: str, credential: str | None) -> bool:
    return credential is not None and hmac.compare_digest(token.encode(), credential.encode())


def _address(arguments: list[tuple[str, str]]) -> str:
    return flask.request.path + (f"?{urlencode(arguments)}" if arguments else "")
