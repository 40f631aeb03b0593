"""A digest as Markdown, HTML or JSON."""
