"""What is measured, a module for each kind: calls, the conventions' metrics, steps, feedback, and
what is observed when a reader collects."""
