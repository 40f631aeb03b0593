"""Who is told when an alert fires: the section `notify:` of `llm-otel.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from llm_otel.errors import ConfigError
from llm_otel.settings.kinds import Kind, as_map, require_known

# Receiver -> the file below secrets/ that holds its address or key.
SECRETS: Final = {
    "slack": "slack_webhook_url",
    "slack_telemetry": "slack_telemetry_webhook_url",
    "pagerduty": "pagerduty_routing_key",
    "webhook": "webhook_url",
    "sentry": "sentry_store_url",
    "heartbeat": "heartbeat_url",
    "email": "smtp_password",
}

_ADDRESS = re.compile(r"[^\s@,<>\"]{1,64}@[A-Za-z0-9.-]{1,255}")
_HOST_PORT = re.compile(r"[A-Za-z0-9.-]{1,255}:\d{1,5}")


@dataclass(frozen=True, slots=True)
class Email:
    """How mail is sent.

    Attributes:
        to: Who gets it: one address, or several with commas.
        sender: Whom it comes from; `from` in the file.
        smarthost: The mail server, `host:port`.
        username: The account there, whose password is a file; None: no login.
        require_tls: Whether the server must speak TLS.
    """

    to: str
    sender: str
    smarthost: str
    username: str | None = None
    require_tls: bool = True


@dataclass(frozen=True, slots=True)
class Notify:
    """Which receivers there are; what each needs to know is in its file (`SECRETS`).

    Attributes:
        sink: The page of the stack that shows every message.
        slack: A Slack channel, for critical alerts and warnings.
        slack_telemetry: Another one, for what is wrong with the telemetry itself.
        pagerduty: A PagerDuty service, for critical alerts.
        webhook: Any address that takes JSON, for everything.
        sentry: A Sentry project, for critical alerts and warnings.
        heartbeat: An address that raises the alarm when it is no longer called.
        email: Mail, for everything.
    """

    sink: bool = True
    slack: bool = False
    slack_telemetry: bool = False
    pagerduty: bool = False
    webhook: bool = False
    sentry: bool = False
    heartbeat: bool = False
    email: Email | None = None

    def secrets(self) -> tuple[str, ...]:
        """The files below secrets/ that the chosen receivers need."""
        login = self.email is not None and self.email.username is not None
        names = [name for name in SECRETS if name != "email" and getattr(self, name)]
        return tuple(SECRETS[name] for name in [*names, *(["email"] if login else [])])


def parse(section: Any, where: str) -> Notify:
    """The receivers that the section `notify:` chooses.

    Args:
        section: As it stands in the file.
        where: Its place, to begin an error message with.

    Raises:
        ConfigError: A key or value is wrong, or an alert would reach nobody.
    """
    names = [each.name for each in fields(Notify)]
    receivers: dict[str, Any] = {}
    for name, value in as_map(section, where).items():
        require_known(name, names, f"{where}: the key")
        if name == "email":
            receivers[name] = _email(value, f"{where}.email") if value else None
        else:
            receivers[name] = _SWITCH.parse(value, f"{where}.{name}")
    notify = Notify(**receivers)
    if not (notify.sink or notify.slack or notify.webhook or notify.email):
        raise ConfigError(
            f"{where}: a warning would reach nobody; leave the sink on, or choose slack, webhook "
            "or email."
        )
    return notify


def _email(section: Any, where: str) -> Email:
    values = as_map(section, where)
    for name in values:
        require_known(name, _EMAIL, f"{where}: the key")
    for name in ("to", "from", "smarthost"):
        if not values.get(name):
            raise ConfigError(f"{where} needs {name}: {_EMAIL[name].allowed}.")
    fields = {
        name: _EMAIL[name].parse(value, f"{where}.{name}")
        for name, value in values.items()
        if value is not None
    }
    return Email(sender=fields.pop("from"), **fields)


def _switch(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError
    return value


def _addresses(value: Any) -> str:
    addresses = [each.strip() for each in (value.split(",") if isinstance(value, str) else value)]
    if not addresses or not all(_ADDRESS.fullmatch(each) for each in addresses):
        raise ValueError
    return ", ".join(addresses)


def _matching(pattern: re.Pattern[str]) -> Any:
    def check(value: Any) -> str:
        if not pattern.fullmatch(value):
            raise ValueError
        return str(value)

    return check


_SWITCH = Kind("true or false", _switch)
_EMAIL: Final[Mapping[str, Kind]] = {
    "to": Kind("one or more mail addresses", _addresses),
    "from": Kind("one mail address", _matching(_ADDRESS)),
    "smarthost": Kind("a mail server such as smtp.example.com:587", _matching(_HOST_PORT)),
    "username": Kind("the account's name", _matching(re.compile(r"\S{1,255}"))),
    "require_tls": _SWITCH,
}
