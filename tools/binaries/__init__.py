"""The real Collector, Prometheus, Alertmanager and Compose for the tests."""
