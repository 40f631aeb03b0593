"""The errors that llm-otel raises into a program: wrong settings and arguments, nothing else."""

from __future__ import annotations


class ConfigError(ValueError):
    """A wrong setting; the text is one sentence that says where it is and what is allowed."""
