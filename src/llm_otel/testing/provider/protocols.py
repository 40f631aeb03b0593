"""Which provider's API a request is of."""

from __future__ import annotations

from collections.abc import Callable

from .anthropic_protocol import ANTHROPIC, is_anthropic
from .bedrock_protocol import BEDROCK, is_bedrock
from .cohere_protocol import COHERE, COHERE_LINES, is_cohere, is_cohere_v2
from .gemini_protocol import GOOGLE, is_google
from .huggingface_protocol import HUGGINGFACE, is_huggingface
from .messages import ReceivedRequest
from .mistral_protocol import MISTRAL, is_mistral
from .ollama_protocol import OLLAMA, is_ollama
from .openai_protocol import OPENAI
from .protocol_spec import Protocol
from .voyage_protocol import VOYAGE, is_voyage

# The first that claims a request has it; the others are OpenAI's.
_CLAIMS: tuple[tuple[Callable[[ReceivedRequest], bool], Protocol], ...] = (
    (is_bedrock, BEDROCK),
    (is_huggingface, HUGGINGFACE),
    (is_google, GOOGLE),
    (is_ollama, OLLAMA),
    (is_cohere_v2, COHERE),
    (is_cohere, COHERE_LINES),
    (is_mistral, MISTRAL),
    (is_voyage, VOYAGE),
    (is_anthropic, ANTHROPIC),
)


def protocol_of(request: ReceivedRequest) -> Protocol:
    """That of whose path it is, of whose SDK's headers, or of a key of the body; else OpenAI's."""
    return next((protocol for claims, protocol in _CLAIMS if claims(request)), OPENAI)
