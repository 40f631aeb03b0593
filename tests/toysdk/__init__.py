"""An SDK of nobody's: its functions have every shape that a hook can have."""

from toysdk.client import AsyncClient, Client, ToyError

__all__ = ["AsyncClient", "Client", "ToyError"]
__version__ = "1.2.3"
