"""Starts the compose file on a real Docker engine."""
