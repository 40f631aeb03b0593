"""A support agent in two services: three providers, MCP, retrieval, a sub-agent, one trace."""
