"""What a call used, in one vocabulary for all providers; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Billed quantities of one call.

    Token counts are inclusive, as the conventions ask: `input_tokens` holds cached, audio and image
    tokens, `output_tokens` holds reasoning; the other counts are subsets of these two.

    Attributes:
        input_tokens: All input tokens.
        output_tokens: All output tokens.
        cache_read_tokens: Part of the input that the provider read from its cache.
        cache_write_tokens: Part of the input that the provider wrote to its cache, any lifetime.
        cache_write_long_tokens: Part of `cache_write_tokens` kept for the longer lifetime
            (OpenAI 12 h, Anthropic 1 h), which some providers price higher.
        reasoning_tokens: Part of the output.
        audio_input_tokens, image_input_tokens: Parts of the input.
        audio_output_tokens, image_output_tokens: Parts of the output.
        audio_cache_read_tokens, image_cache_read_tokens: Parts of `cache_read_tokens`.
        audio_seconds: Seconds of audio, where those are billed instead of tokens.
        web_searches: Hosted searches of the web, billed each.
        preview_searches: Part of `web_searches` made by OpenAI's older tool, `web_search_preview`,
            which costs more with models that do not reason.
        file_searches: Hosted searches of the provider's file store, billed each.
        search_units: Queries of a rerank with a number of documents each, as Cohere bills them.
        pages: Pages that were read as pictures (OCR).
        annotated_pages: Part of `pages` that were also described in a structure of the caller's.
        images: Images that were made or embedded, where those are billed instead of tokens.
        image_pixels: Pixels of the images in the input, where those are billed beside tokens.
        extra: Usage that another model ran up inside this call (hosted image generation, SVG
            authoring), as pairs of model name (None: not told) and usage.
        unexplained_tokens: Tokens in the provider's total that are neither input nor output. Their
            price is not known, unless seconds of audio explain them.
        price_factor: What the provider multiplies its prices of tokens by, as for the place where
            the model ran.
        partial: More was used than these fields count, so that their cost is incomplete.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_long_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    audio_cache_read_tokens: int = 0
    image_cache_read_tokens: int = 0
    audio_seconds: float = 0.0
    web_searches: int = 0
    preview_searches: int = 0
    file_searches: int = 0
    search_units: int = 0
    pages: int = 0
    annotated_pages: int = 0
    images: int = 0
    image_pixels: int = 0
    extra: tuple[tuple[str | None, Usage], ...] = ()
    unexplained_tokens: int = 0
    price_factor: float = 1.0
    partial: bool = False

    @property
    def in_units(self) -> bool:
        """Whether something else is billed in place of tokens, which nobody counts then."""
        return bool(self.search_units or self.pages or self.images)
