"""`python -m llm_otel`: the same as the command `llm-otel`."""

from llm_otel.cli import main

main()
