"""``text_completion``: https://platform.openai.com/docs/api-reference/completions/object."""

from collections.abc import Iterator, Sequence

from ..pieces import Delta, FinishReason, TokenLogProbability, text_of
from .base import ChoicesPresenter, Gathered, Object


class CompletionPresenter(ChoicesPresenter):
    """``text_completion``. Its chunks look like the whole object."""

    id_prefix = "cmpl-"
    whole_object = chunk_object = "text_completion"

    def _choice(self, index: int, answer: Gathered) -> Object:
        logprobs = self._logprobs(answer.logprobs)
        return _text_choice(index, text_of(answer.pieces), answer.finish_reason, logprobs)

    def _opening(self, index: int) -> list[Object]:
        return []

    def _pieces(self, delta: Delta) -> Iterator[Object]:
        if delta.pieces or (delta.logprobs and self._shown.logprobs):
            logprobs = self._logprobs(delta.logprobs)
            yield _text_choice(delta.index, text_of(delta.pieces), None, logprobs)
        if delta.finish_reason:
            yield _text_choice(delta.index, "", delta.finish_reason, None)

    def _logprobs(self, found: Sequence[TokenLogProbability]) -> Object | None:
        """The lists of OpenAI's completions. ``text_offset`` counts characters of the text."""
        if not self._shown.logprobs:
            return None
        return {
            "tokens": [token.name for token in found],
            "token_logprobs": [token.value for token in found],
            "top_logprobs": [_likely(token) for token in found],
            "text_offset": [token.offset for token in found],
        }


def _likely(token: TokenLogProbability) -> Object | None:
    """The most likely tokens. The chosen one is always among them, as OpenAI's reference says."""
    if token.top is None:
        return None
    # Of two tokens that look alike, the more likely one stays.
    return {other.name: other.value for other in (token, *reversed(token.top))}


def _text_choice(
    index: int, text: str, reason: FinishReason | None, logprobs: Object | None
) -> Object:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}
