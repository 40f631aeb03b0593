"""Placeholder until the public names exist."""
