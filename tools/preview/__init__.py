"""Renders the dashboards without Grafana, from their JSON and a Prometheus."""
