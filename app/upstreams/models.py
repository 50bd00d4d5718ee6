"""The models of an upstream, as it lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..exceptions import UpstreamFailed


@dataclass(frozen=True)
class UpstreamModel:
    """A model of the upstream at ``url``, whose context has so many tokens.

    ``owner`` is who owns it as the upstream says, by which most servers can be told. Unlike a file,
    it has no ``problem`` that is known here.
    """

    problem: ClassVar[None] = None

    name: str
    url: str
    owner: str
    context_length: int


def models_in(listed: Any, url: str, usual: int) -> Sequence[UpstreamModel]:
    """The models in the answer to GET /v1/models. ``usual`` is a context whose length is unknown.

    Raises `UpstreamFailed` if it is something else.
    """
    models = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(models, list):
        raise UpstreamFailed("It does not list its models as OpenAI's API does.")
    return [
        UpstreamModel(model["id"], url, str(model.get("owned_by")), _context_length(model) or usual)
        for model in models
        if isinstance(model, dict) and isinstance(model.get("id"), str)
    ]


def _context_length(model: dict[str, Any]) -> int | None:
    """The length that vLLM and SGLang, this server and others, or llama.cpp tell."""
    meta = model.get("meta")
    about = {**(meta if isinstance(meta, dict) else {}), **model}
    for name in ("max_model_len", "context_length", "n_ctx"):
        length = about.get(name)
        if isinstance(length, int) and length > 0:
            return length
    return None
