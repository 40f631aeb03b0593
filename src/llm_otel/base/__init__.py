"""The ground floor: what every layer may use, and what uses no layer above it."""
