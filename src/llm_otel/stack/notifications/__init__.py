"""A page that shows the messages of Alertmanager: what would be sent, where nothing else is set."""

from __future__ import annotations

from llm_otel.stack.notifications.journal import Journal
from llm_otel.stack.notifications.messages import Inbox, Refused
from llm_otel.stack.notifications.server import serve

__all__ = ["Inbox", "Journal", "Refused", "serve"]
