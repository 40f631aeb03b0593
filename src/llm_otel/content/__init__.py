"""Prompts and completions: in the conventions' shapes, off by default.

`instrument()` needs `policy` and `hook`; what reads messages is imported when the first is read.
"""
