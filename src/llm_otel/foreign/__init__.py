"""Other people's names for what this library calls by the names of the conventions of today.

The library reads the spans of other instrumentations by these tables in the process, the lake those
that arrive, and the stack's Collector renames by them. It needs no extra.
"""
