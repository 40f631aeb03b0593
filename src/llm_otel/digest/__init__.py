"""The digest of a day or a week: what it cost, what moved and why, and what to do."""
