"""A multi-tenant sample application, its traffic, and what its telemetry tells: `make demo`."""
