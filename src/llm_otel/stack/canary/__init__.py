"""The canary proof: a different secret at every place of OTLP, then a look where none may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import SystemRandom

from llm_otel.stack.canary.looking import Place, Sighting, look
from llm_otel.stack.canary.sending import Canary, Send, Shipment, send_all
from llm_otel.stack.canary.values import Marks

__all__ = ["Canary", "Marks", "Report", "new_marks", "run"]


@dataclass(frozen=True)
class Report:
    """What a run sent and found.

    Attributes:
        marks: What to search for by hand.
        shipment: All canaries.
        sightings: By place.
    """

    marks: Marks
    shipment: Shipment
    sightings: Mapping[str, Sighting]

    @property
    def leaked(self) -> dict[tuple[str, str], list[Canary]]:
        """Canaries that were found, by place and position."""
        leaks: dict[tuple[str, str], list[Canary]] = {}
        for place, each in self.sightings.items():
            for index in sorted(each.canaries & self.shipment.canaries.keys()):
                canary = self.shipment.canaries[index]
                where = f"{canary.position.signal}: {canary.position.name}"
                leaks.setdefault((place, where), []).append(canary)
        return leaks

    @property
    def silent(self) -> list[str]:
        """Places that show nothing of this run, not even what may arrive: right for a log."""
        return [place for place, each in self.sightings.items() if not each.witness]

    @property
    def proven(self) -> bool:
        """Whether nothing leaked, and telemetry of this run was seen in some place at least."""
        return not self.leaked and len(self.silent) < len(self.sightings)


def new_marks() -> Marks:
    """Marks that no other run has."""
    return Marks(f"{SystemRandom().randrange(10**6):06}")


def run(
    marks: Marks, ways: Mapping[str, Send], places: Mapping[str, Place], wait_seconds: float
) -> Report:
    """Send all canaries, then look for them.

    Args:
        marks: This run's marks.
        ways: How to send, by protocol.
        places: Where to look, by name.
        wait_seconds: How long telemetry may take to get there.

    Raises:
        llm_otel.ConfigError: An endpoint or a place cannot be reached.
    """
    shipment = send_all(marks, ways)
    return Report(marks, shipment, look(places, marks, shipment, wait_seconds))
