"""Looks at a stack from outside and says in one line each what is well and what is not."""
