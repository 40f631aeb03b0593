"""What of an attribution travels between services, and that a provider never sees it."""

from __future__ import annotations

import contextvars
import hashlib
import hmac
from collections.abc import Iterator

import pytest
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, get_current

from llm_otel.attribution import attribution, configure, current, provider_context
from llm_otel.settings import Settings

KEY = b"k" * 32
HASH_OF_ANN = hmac.new(KEY, b"ann", hashlib.sha256).hexdigest()


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    configure(None)


def header(ctx: Context | None = None) -> dict[str, str]:
    """What W3C baggage would say to the next service."""
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, ctx)
    return dict(pair.split("=") for pair in carrier.get("baggage", "").split(",") if pair)


def arriving(value: str) -> Context:
    """The context of a request that came with this baggage header."""
    return W3CBaggagePropagator().extract({"baggage": value}, Context())


EVERYTHING = ("tenant_id", "feature", "user_id", "session_id")


class TestBaggageOut:
    def test_off_by_default(self) -> None:
        """Without an allow list nothing travels."""
        with attribution(tenant_id="acme", session_id="s1"):
            assert header() == {}

    def test_allow_list(self) -> None:
        """What the setting names travels, and nothing else; after the block nothing does."""
        configure(Settings(baggage=("tenant_id", "session_id"), user_id="plain"))
        with attribution(tenant_id="acme", feature="chat", user_id="ann", session_id="s1"):
            assert header() == {"llm_otel.tenant_id": "acme", "llm_otel.session_id": "s1"}
        assert header() == {}

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            (Settings(baggage=EVERYTHING), {}),
            (Settings(baggage=EVERYTHING, user_id="plain"), {"llm_otel.user_id": "ann"}),
            (
                Settings(baggage=EVERYTHING, user_id="hash", user_id_key=KEY),
                {"llm_otel.user_hash": HASH_OF_ANN},
            ),
        ],
    )
    def test_user_ids(self, settings: Settings, expected: dict[str, str]) -> None:
        """A user id travels as the mode says: not at all, plain, or as its hash only."""
        configure(settings)
        with attribution(user_id="ann"):
            assert header() == expected

    def test_value_that_is_not_safe(self) -> None:
        """A value that does not fit in a header is left out, and hides the outer block's."""
        configure(Settings(baggage=EVERYTHING))
        with attribution(session_id="s1"), attribution(session_id="a b\n" * 100):
            assert header() == {}

    def test_never_to_a_provider(self) -> None:
        """During a provider's call ours is gone, the program's own baggage stays."""
        configure(Settings(baggage=EVERYTHING))
        own = baggage.set_baggage("shop", "eu", Context())
        with attribution(tenant_id="acme"):
            mixed = baggage.set_baggage("shop", "eu")
            assert header(provider_context(mixed)) == {"shop": "eu"}
            assert header(provider_context(get_current())) == {}
            assert current(provider_context(mixed)).tenant_id == "acme"
        assert provider_context(own) is own
        assert provider_context(Context()) == {}

    def test_foreign_baggage_is_stripped_too(self) -> None:
        """Ours that came from another service does not reach a provider, allowed or not."""
        ctx = arriving("llm_otel.tenant_id=acme,llm_otel.user_id=ann,shop=eu")
        assert header(provider_context(ctx)) == {"shop": "eu"}


class TestBaggageIn:
    def test_not_believed_by_default(self) -> None:
        """Without an allow list a header sets nothing."""
        assert current(arriving("llm_otel.tenant_id=acme")).tenant_id == "none"

    def test_allow_list(self) -> None:
        """What the setting names is taken over from the calling service, and nothing else."""
        configure(Settings(baggage=("tenant_id", "session_id")))
        found = current(
            arriving("llm_otel.tenant_id=acme,llm_otel.feature=x,llm_otel.session_id=s")
        )
        assert dict(found.span_attributes) == {"tenant_id": "acme", "session.id": "s"}
        assert (found.tenant_id, found.feature) == ("acme", "none")

    def test_user_hash(self) -> None:
        """In hash mode a hash is taken over; a plain id never is."""
        configure(Settings(baggage=EVERYTHING, user_id="hash", user_id_key=KEY))
        header = f"llm_otel.user_id=ann,llm_otel.user_hash={HASH_OF_ANN}"
        assert dict(current(arriving(header)).span_attributes) == {"user.hash": HASH_OF_ANN}
        assert dict(current(arriving("llm_otel.user_hash=ann")).span_attributes) == {}

    @pytest.mark.parametrize("value", ["a%20b", "%0A", "x" * 200, ""])
    def test_malformed(self, value: str) -> None:
        """A value without the entry's form is not believed."""
        configure(Settings(baggage=EVERYTHING))
        found = current(arriving(f"llm_otel.tenant_id={value},llm_otel.session_id={value}"))
        assert dict(found.span_attributes) == {}

    def test_unhashable_local_value(self) -> None:
        """Whatever the program itself puts under our names does no harm."""
        configure(Settings(baggage=EVERYTHING))
        ctx = baggage.set_baggage("llm_otel.tenant_id", ["acme"], Context())
        assert current(ctx).tenant_id == "none"

    def test_local_block_wins(self) -> None:
        """A block overrides the header, inherits the rest, and corrects what travels on."""
        configure(Settings(baggage=EVERYTHING))

        def serve() -> tuple[dict[str, str], dict[str, str]]:
            attach(arriving("llm_otel.tenant_id=acme,llm_otel.session_id=s1"))
            with attribution(tenant_id="other-tenant"):
                return dict(current().span_attributes), header()

        found, sent = contextvars.copy_context().run(serve)
        assert found == {"tenant_id": "other-tenant", "session.id": "s1"}
        assert sent == {"llm_otel.tenant_id": "other-tenant", "llm_otel.session_id": "s1"}
