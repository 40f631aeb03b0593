"""A receiver that a test kills: stores often, keeps the files in shape all the time.

Run as `python victim.py LAKE`; prints its port when it is ready; ends when its input does.
"""

from __future__ import annotations

import sys

from llm_otel.lake import maintenance
from llm_otel.lake.ingest import Ingest, Limits
from llm_otel.receiver import Receiver

maintenance.ROUND_S = 0.05  # type: ignore[misc]

limits = Limits(flush_s=0.02, flush_bytes=20_000)
with Ingest(sys.argv[1], limits) as ingest, Receiver(ingest, http_port=0, grpc_port=None) as server:
    print(server.http_port, flush=True)
    sys.stdin.read()
    ingest.flush()
