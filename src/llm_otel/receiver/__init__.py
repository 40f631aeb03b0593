"""An OTLP receiver in front of a lake: HTTP (4318) and gRPC (4317), loopback by default."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from llm_otel.closing import Closing
from llm_otel.errors import ConfigError
from llm_otel.listening import in_url, is_loopback
from llm_otel.listening import names as host_names

if TYPE_CHECKING:
    from llm_otel.lake.ingest import Ingest
    from llm_otel.receiver.service import Service

HTTP_PORT: Final = 4318
GRPC_PORT: Final = 4317

# Both protocols end at the same time, and what hangs is left behind.
_CLOSE_S: Final = 8.0


class Receiver(Closing):
    """Takes OTLP into `ingest` until it is closed; also a context manager.

    Args:
        ingest: The lake's writer; closed by whoever opened it.
        host: Address to listen at.
        http_port, grpc_port: Ports; 0 takes a free one, None leaves that protocol out.
        token: What senders must show as `Authorization: Bearer <token>`.
        trusted: Whoever reaches `host` may send; only where nobody else can, as in a container
            whose ports are published on loopback.
        names: What senders call it in their Host header beside the machine's own names. Where no
            token is asked, no other name is answered: browsers send what a page tells them to.

    Attributes:
        http_port, grpc_port: The ports that it listens at.

    Raises:
        ConfigError: a port is taken, the address is not of this machine, or it is not a loopback
            address, nobody said that it is trusted, and there is no token.
    """

    def __init__(
        self,
        ingest: Ingest,
        *,
        host: str = "127.0.0.1",
        http_port: int | None = HTTP_PORT,
        grpc_port: int | None = GRPC_PORT,
        token: str | None = None,
        trusted: bool = False,
        names: Sequence[str] = (),
    ) -> None:
        from llm_otel.receiver.service import Service

        if not (token or trusted or is_loopback(host)):
            raise ConfigError(
                f"the receiver would listen at {host} for everybody: give a token "
                "(LLM_OTEL_TOKEN), or listen at 127.0.0.1"
            )
        service = Service(ingest, token or None)
        self.http_port, self.grpc_port = http_port, grpc_port
        self._closers: list[Callable[[], object]] = []
        try:
            # HTTP last: who reads `/health` may send by either.
            if grpc_port is not None:
                self._serve_grpc(service, host, grpc_port)
            if http_port is not None:
                local = trusted or is_loopback(host)
                self._serve_http(service, host, http_port, host_names(host, names, local=local))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Answer what is under way, and stop."""
        closing = [threading.Thread(target=close, daemon=True) for close in self._closers]
        self._closers.clear()
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(_CLOSE_S)

    def _serve_http(self, service: Service, host: str, port: int, names: frozenset[str]) -> None:
        from llm_otel.receiver.http import HttpServer

        server = HttpServer(service, _bind(host, port), names)
        self.http_port = server.server_port
        thread = threading.Thread(target=server.serve_forever, name="llm-otel-http", daemon=True)
        thread.start()

        def close() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        self._closers.append(close)

    def _serve_grpc(self, service: Service, host: str, port: int) -> None:
        from llm_otel.receiver.grpc import GrpcServer

        # gRPC's own words for a taken port help nobody: find out first.
        _bind(host, port).close()
        server = GrpcServer(service, f"{in_url(host)}:{port}")
        self.grpc_port = server.port
        self._closers.append(server.close)


def _bind(host: str, port: int) -> socket.socket:
    from llm_otel.connections import bind

    try:
        return bind(host, port)
    except OSError as error:
        raise ConfigError(
            f"the receiver cannot listen at {host}:{port}: {error.strerror}; stop what listens "
            "there (another `llm-otel serve` or a Collector?) or choose another port"
        ) from error
