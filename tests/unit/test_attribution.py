"""What `attribution()` puts in force: values, user ids, tags."""

from __future__ import annotations

import asyncio
import enum
import hashlib
import hmac
import logging
import math
import uuid
from collections.abc import Iterator

import pytest

from llm_otel.attribution import (
    Attribution,
    attribution,
    configure,
    current,
)
from llm_otel.base import guard
from llm_otel.settings import Settings
from llm_otel.testing import capture

KEY = b"k" * 32


class Plan(enum.Enum):
    PRO = "pro"


class Level(enum.IntEnum):
    TWO = 2


class Secret:
    """A value that would be quoted if anybody wrote it down."""

    def __repr__(self) -> str:
        return "secret"


class Odd(enum.Enum):
    SECRET = Secret()


class Furious(dict[str, object]):
    """A mapping that cannot be read."""

    def items(self) -> object:  # type: ignore[override]
        raise RuntimeError("secret")


class Liar(str):
    """A text whose methods raise."""

    def __len__(self) -> int:
        raise RuntimeError("secret")

    def encode(self, *_: object) -> bytes:
        raise RuntimeError("secret")


ARGUMENTS = ("tenant_id", "feature", "user_id", "session_id", "conversation_id")
BAD: tuple[object, ...] = (
    Secret(),
    b"secret",
    math.nan,
    math.inf,
    10**5000,
    {"secret": 1},
    ["secret"],
    "secret" * 1000,
    Odd.SECRET,
    len,
)
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
        ("value", "text"),
        [
            (True, "true"),
            (False, "false"),
            (0, "0"),
            (1.5, "1.5"),
            (uuid.UUID(int=7), str(uuid.UUID(int=7))),
            (Plan.PRO, "pro"),
            (Level.TWO, "2"),
            (Liar("x"), "x"),
        ],
        ids=str,
    )
    def test_tags(self, value: object, text: str) -> None:
        """A tag may be whatever has one plain text."""
        configure(Settings(tags=("t",)))
        with attribution(tags={"t": value}):
            assert dict(current().span_attributes) == {"llm_otel.tag.t": text}

    @pytest.mark.parametrize("value", BAD, ids=lambda value: type(value).__name__)
    @pytest.mark.parametrize("argument", [*ARGUMENTS, "tags"])
    def test_bad_value(
        self, argument: str, value: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A bad value is left out with one warning that does not quote it; the rest holds."""
        configure(Settings(tags=("bad", "good"), user_id="plain"))
        passed = {"tags": {"bad": value, "good": "g"}} if argument == "tags" else {argument: value}
        for _ in range(3):
            with attribution(**passed):  # type: ignore[arg-type]
                left = {"llm_otel.tag.good": "g"} if argument == "tags" else {}
                assert dict(current().span_attributes) == left
        [warning] = caplog.messages
        place = "tags['bad']" if argument == "tags" else argument
        assert f"leaves out {place} of attribution()" in warning, warning
        assert "secret" not in caplog.text

    @pytest.mark.parametrize("tags", [["a"], "a=b", 7, Furious()])
    def test_tags_that_are_no_mapping(self, tags: object, caplog: pytest.LogCaptureFixture) -> None:
        """Something else than a mapping sets no tags, with one warning."""
        with attribution(tenant_id="acme", tags=tags):  # type: ignore[arg-type]
            assert tenant() == "acme"
        [warning] = caplog.messages
        assert "leaves out tags of attribution()" in warning

    def test_warnings_do_not_flood(self, caplog: pytest.LogCaptureFixture) -> None:
        """Names that come from outside cannot fill the log, nor forge a line of it."""
        for number in range(1000):
            attribution(tags={f"k{number}\nERROR forged": object()})
        assert len(caplog.messages) <= 256
        assert not [message for message in caplog.messages if "\n" in message]

    def test_an_unknown_keyword_is_still_an_error(self) -> None:
        """A mistake in the program's text is Python's to report."""
        with pytest.raises(TypeError):
            attribution(tennant_id="acme")  # type: ignore[call-arg]

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
