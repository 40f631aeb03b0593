"""Programs that use llm-otel, to be read and copied; run them from the root of the repository."""
