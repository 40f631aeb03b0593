"""Media are never inlined: a reference where there is one, else a mark with type and size."""

from __future__ import annotations

import re

from llm_otel.content.model import Part

OMITTED = "omitted_blob"
_MODALITIES = ("image", "audio", "video")
_USER_INFO = re.compile(r"//[^/@]*@")


def media_part(source: object, modality: str, mime_type: str | None = None) -> Part:
    """The part for a URL, a data URL, base64 text or bytes; the media's own bytes are left out.

    Args:
        source: What the request or response holds in the place of the media.
        modality: `image`, `audio`, `video` or `document`.
        mime_type: Where it is known; a data URL's own wins.
    """
    if isinstance(source, (bytes, bytearray)):
        return omitted_part(modality, mime_type, len(source))
    if not isinstance(source, str):
        return omitted_part(modality, mime_type, None)
    if source[:5].lower() == "data:":
        return _data_url_part(source, modality, mime_type)
    if "://" in source[:32]:
        return uri_part(source, modality, mime_type)
    return omitted_part(modality, mime_type, base64_size(len(source), source[-2:].count("=")))


def uri_part(uri: str, modality: str, mime_type: str | None = None) -> Part:
    """A `uri` part without query, fragment and user info: these are where signatures stand."""
    bare = _USER_INFO.sub("//", uri.partition("?")[0].partition("#")[0], count=1)
    return _with_type({"type": "uri", "modality": modality, "uri": bare}, mime_type)


def file_part(file_id: str, modality: str = "document") -> Part:
    """A `file` part: the provider's id of a file uploaded earlier."""
    return {"type": "file", "modality": modality, "file_id": file_id}


def omitted_part(modality: str, mime_type: str | None, size: int | None) -> Part:
    """A generic part in the place of media that were left out; `byte_length` where known."""
    part = _with_type({"type": OMITTED, "modality": modality}, mime_type)
    if size is not None:
        part["byte_length"] = size
    return part


def base64_size(characters: int, padding: int = 0) -> int:
    """Bytes that so many characters of base64 hold."""
    return max(characters * 3 // 4 - padding, 0)


def _data_url_part(url: str, modality: str, mime_type: str | None) -> Part:
    comma = url.find(",")
    header = url[5 : comma if comma >= 0 else 5]
    size = len(url) - comma - 1 if comma >= 0 else 0
    if header.lower().endswith(";base64"):
        size = base64_size(size, url[-2:].count("="))
    mime_type = header.partition(";")[0].lower() or mime_type
    kind = (mime_type or "").partition("/")[0]
    return omitted_part(kind if kind in _MODALITIES else modality, mime_type, size)


def _with_type(part: Part, mime_type: str | None) -> Part:
    if mime_type:
        part["mime_type"] = mime_type
    return part
