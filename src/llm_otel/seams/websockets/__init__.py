"""Connections of an SDK that carry many responses: the classes, a session, its responses."""
