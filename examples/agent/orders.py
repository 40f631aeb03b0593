"""The service of the orders: an MCP server, whose tool asks a model of its own.

`python -m examples.agent.orders` serves it over streamable HTTP at `/mcp`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from openai import AsyncOpenAI
from pydantic import Field

from examples.agent import service

MODEL = "gpt-4o-mini"
STATES = ("packed", "on its way", "delivered")


class Carrier:
    """Knows where parcels are. Its line is down when it is first called."""

    def __init__(self) -> None:
        self._down = True

    def state(self, order: int) -> str:
        """Where the parcel of an order is.

        Raises:
            ConnectionError: The carrier does not answer.
        """
        if self._down:
            self._down = False
            raise ConnectionError
        return STATES[order % len(STATES)]


def server(client: AsyncOpenAI, carrier: Carrier) -> MCPServer:
    """The MCP server."""
    orders = MCPServer("orders", log_level="CRITICAL")  # it logs tool errors with tracebacks

    @orders.tool()
    async def parcel(order: Annotated[int, Field(ge=1000)]) -> str:
        """Where the parcel of an order is, in a sentence."""
        try:
            state = carrier.state(order)
        except ConnectionError as error:
            raise ToolError("The carrier does not answer.") from error
        completion = await client.chat.completions.create(
            model=MODEL,
            messages=[
                {"role": "system", "content": f"The parcel of order {order} is {state}."},
                {"role": "user", "content": "Tell the customer where the parcel is."},
            ],
        )
        return completion.choices[0].message.content or ""

    return orders


def main() -> None:
    """Serve until SIGTERM."""
    service.instrument()
    service.serve(server(AsyncOpenAI(), Carrier()).streamable_http_app())


if __name__ == "__main__":
    main()
