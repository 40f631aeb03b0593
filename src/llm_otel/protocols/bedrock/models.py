"""What a `modelId` names: a model, perhaps by a profile of regions, or a resource of an account.

https://docs.aws.amazon.com/bedrock/latest/userguide/inference-how.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

# Resources that are named as the model that answers.
_NAMED = frozenset({"foundation-model", "inference-profile"})
# Resources that stand for models paid by the token, of which only an answer may tell the name: a
# profile may be of one region or of several, at another price, and so its price is not certain.
_PROFILE = "application-inference-profile"
_ROUTERS = frozenset({"prompt-router", "default-prompt-router"})

_MOST = 256


class ModelId(NamedTuple):
    """A `modelId`, taken apart.

    Attributes:
        whole: As it was sent.
        name: The model's, with its profile of regions; None where a resource does not tell.
        resource: Kind of a resource; None for a model's own id.
    """

    whole: str
    name: str | None
    resource: str | None = None

    def price(self, model: str | None) -> tuple[str, bool]:
        """The name that has the price, and whether that is certain.

        Args:
            model: The model that an answer names, if it names one.
        """
        if self.name is not None:
            return self.name, True
        if model is not None and self.resource in _ROUTERS:
            return model, True
        if model is not None and self.resource == _PROFILE:
            return model, False
        return self.whole, True  # paid by the hour, or not known: a price that a user gives


@lru_cache(maxsize=_MOST)
def parsed(model_id: str) -> ModelId:
    """Take a `modelId` apart: a model's id, a profile's, or an ARN."""
    if not model_id.startswith("arn:"):
        return ModelId(model_id, model_id)
    resource = model_id.split(":", 5)[-1]
    kind, _, name = resource.partition("/")
    return ModelId(model_id, name if kind in _NAMED and name else None, kind)
