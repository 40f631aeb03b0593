"""How an SDK is hooked: each family of SDKs by a seam of its own."""
