"""The OpenTelemetry SDK, for programs that have none. The only package that imports it."""
