"""Searches in vector stores as `retrieval` spans."""
