"""What everything below a workflow or an agent adds up to: `sums`, and what `steps` and `calls` add
to them."""
