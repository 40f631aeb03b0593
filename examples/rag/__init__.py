"""Retrieval-augmented generation over a small manual, with every answer as one tree of spans."""
