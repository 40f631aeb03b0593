"""Who answers: hosts, what is particular to each provider, its error codes, its streams."""
