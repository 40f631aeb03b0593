"""What `attribution()` puts in force: values, user ids, tags."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import hmac
import logging
import uuid
from collections.abc import Iterator

import pytest

from llm_otel.attribution import (
    Attribution,
    attribution,
    configure,
    current,
)
from llm_otel.core import guard
from llm_otel.settings import Settings
from llm_otel.testing import capture

KEY = b"k" * 32
HASH_OF_ANN = hmac.new(KEY, b"ann", hashlib.sha256).hexdigest()


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    configure(None)


def tenant() -> str:
    return current().tenant_id


class TestValues:
    def test_nothing_set(self) -> None:
        """Without a block the labels are `none` and spans get nothing."""
        found = current()

        assert (found.tenant_id, found.feature) == ("none", "none")
        assert dict(found.span_attributes) == {}

    def test_block(self) -> None:
        """A block gives labels and span attributes, and takes them back at its end."""
        with attribution(tenant_id="acme", feature="chat", session_id="s1", conversation_id="c1"):
            found = current()
        assert (found.tenant_id, found.feature) == ("acme", "chat")
        assert dict(found.span_attributes) == {
            "tenant_id": "acme",
            "feature": "chat",
            "session.id": "s1",
            "gen_ai.conversation.id": "c1",
        }
        assert tenant() == "none"

    def test_async_block(self) -> None:
        """`async with` does what `with` does."""

        async def run() -> tuple[str, str]:
            async with attribution(tenant_id="acme"):
                inside = tenant()
            return inside, tenant()

        assert asyncio.run(run()) == ("acme", "none")

    def test_exception_leaves_the_block(self) -> None:
        """A block left by an exception is over, and the exception goes on unchanged."""
        error = KeyError("x")
        with pytest.raises(KeyError) as caught, attribution(tenant_id="acme"):
            raise error
        assert caught.value is error
        assert tenant() == "none"

    def test_nesting(self) -> None:
        """Inner values override, others are inherited, tags are merged."""
        configure(Settings(tags=("plan", "region", "team")))
        with (
            attribution(tenant_id="acme", feature="chat", tags={"plan": "pro", "team": "a"}),
            attribution(feature="search", tags={"region": "eu", "team": "b"}),
        ):
            found = dict(current().span_attributes)
        assert found == {
            "tenant_id": "acme",
            "feature": "search",
            "llm_otel.tag.plan": "pro",
            "llm_otel.tag.team": "b",
            "llm_otel.tag.region": "eu",
        }

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_not_given(self, nothing: str | None) -> None:
        """None and the empty string leave what the outer block set."""
        with attribution(tenant_id="acme"), attribution(tenant_id=nothing, feature="f"):
            assert tenant() == "acme"

    def test_conversions(self) -> None:
        """Ints, UUIDs and string enums are taken for their text."""

        class Tenant(str, enum.Enum):
            ACME = "acme"

        number = uuid.UUID(int=7)
        with attribution(tenant_id=Tenant.ACME, feature=42, session_id=number):
            found = dict(current().span_attributes)
        assert found == {"tenant_id": "acme", "feature": "42", "session.id": str(number)}

    def test_lone_surrogate(self) -> None:
        """Text that UTF-8 cannot carry is made exportable, or it would cost the whole batch."""
        with attribution(session_id="s\ud800"):
            current().span_attributes["session.id"].encode()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"tenant_id": 1.5}, "tenant_id must be a string, int or UUID, not float."),
            ({"feature": True}, "feature must be a string, int or UUID, not bool."),
            ({"user_id": b"x"}, "user_id must be a string, int or UUID, not bytes."),
            ({"tags": ["a"]}, "tags must be a mapping of strings, not list."),
            ({"tags": {"a": []}}, "each value in tags must be a string, int or UUID, not list."),
        ],
    )
    def test_wrong_type(self, arguments: dict[str, object], sentence: str) -> None:
        """A wrong type is one sentence, said where `attribution()` is called."""
        with pytest.raises(TypeError) as caught:
            attribution(**arguments)  # type: ignore[arg-type]
        assert str(caught.value) == f"attribution(): {sentence}"

    def test_malformed_label(self, caplog: pytest.LogCaptureFixture) -> None:
        """A value without the label's form becomes `other`, on spans too; said once, not quoted."""
        for name in ("ann@example.com", "bob@example.com"):
            with attribution(tenant_id=name):
                assert tenant() == "other"
                assert current().span_attributes["tenant_id"] == "other"
        assert [r.message for r in caplog.records if "example.com" in r.message] == []
        assert sum("tenant_id" in r.message for r in caplog.records) <= 1

    def test_immutable(self) -> None:
        """What calls read cannot be changed under them."""
        with pytest.raises(AttributeError, match="tenant_id"):
            current().tenant_id = "x"

    def test_our_failure(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """When attribution itself fails, the block runs, with one log line."""
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setattr(Attribution, "__init__", lambda *_: 1 / 0)
        with attribution(tenant_id="acme"):
            assert tenant() == "none"
        assert ["attribution" in r.message for r in caplog.records] == [True]


class TestUserIds:
    def test_off(self) -> None:
        """By default a user id goes nowhere."""
        with attribution(user_id="ann") as scope:
            assert dict(current().span_attributes) == {}
            assert "ann" not in f"{scope!r}{current()!r}"

    def test_plain(self) -> None:
        """In plain mode it is `user.id`."""
        configure(Settings(user_id="plain"))
        with attribution(user_id="ann"):
            assert dict(current().span_attributes) == {"user.id": "ann"}
            assert "ann" not in repr(current())

    def test_hash(self) -> None:
        """In hash mode it is the whole HMAC-SHA256 in hex, and the id itself nowhere."""
        configure(Settings(user_id="hash", user_id_key=KEY))
        scope = attribution(user_id="ann")
        with scope:
            assert dict(current().span_attributes) == {"user.hash": HASH_OF_ANN}
            assert "ann" not in f"{scope!r}{current()!r}"

    def test_settings_after_decorating(self) -> None:
        """A decorator made before `instrument()` follows the settings of the call."""

        @attribution(user_id="ann")
        def look() -> dict[str, str]:
            return dict(current().span_attributes)

        assert look() == {}
        configure(Settings(user_id="hash", user_id_key=KEY))
        assert look() == {"user.hash": HASH_OF_ANN}

    def test_tags_not_listed(self, caplog: pytest.LogCaptureFixture) -> None:
        """A tag that the settings do not list is left out; the log names it, without its value."""
        configure(Settings(tags=("plan",)))
        with attribution(tags={"plan": "pro", "unlisted": "secret"}):
            assert dict(current().span_attributes) == {"llm_otel.tag.plan": "pro"}
        assert "'unlisted'" in caplog.text
        assert "secret" not in caplog.text


def test_a_wrong_form_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A tenant that cannot be a label is `other`, shown to nobody, and counted every time."""
    with capture() as telemetry:
        for _ in range(2):
            with attribution(tenant_id="ann@example.com"):
                assert tenant() == "other"
        assert telemetry.value("llm_otel.labels.overflowed", label="tenant_id") == 2
    assert "ann@" not in caplog.text


def test_no_log_output(caplog: pytest.LogCaptureFixture) -> None:
    """Ordinary use logs nothing."""
    caplog.set_level(logging.DEBUG)
    with attribution(tenant_id="acme", tags={"plan": "pro"}, user_id="ann"):
        current()
    assert caplog.records == []
