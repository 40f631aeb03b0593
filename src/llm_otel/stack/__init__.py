"""One source for what the parts of the stack share: names, thresholds, panels, allow lists."""
