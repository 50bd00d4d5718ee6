"""Chooses a token id from logits.

First come OpenAI's logit bias and its frequency and presence penalties
(https://platform.openai.com/docs/api-reference/chat/create). GPT4All's filters follow in its order
(llmodel_backend, `llamamodel.cpp`): repeat penalty, top-k, top-p, min-p, temperature. Top-p and
min-p use the probabilities at temperature 1.
"""

from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from ..exceptions import EngineError
from ..jobs import Sampling


class Sampler:
    """Chooses the tokens of an answer. ``index`` makes the answers to a request differ."""

    def __init__(self, sampling: Sampling, index: int = 0) -> None:
        self._sampling = sampling
        self._recent: deque[int] = deque(maxlen=sampling.repeat_last_n)
        self._counts: Counter[int] = Counter()
        # SeedSequence refuses negative numbers, but OpenAI's seed may be any 64-bit integer.
        seed = None if sampling.seed is None else (sampling.seed % 2**64, index)
        self._random = np.random.default_rng(seed)

    def sample(self, logits: NDArray[np.float32]) -> int:
        """The next token id for ``logits`` (float32 [vocab_size]), which stay unchanged.

        Raises `EngineError` if the logits are not numbers, because the weights are damaged.
        """
        token = self._choose(self._repeat_penalised(self._biased(logits)))
        self.add(token)
        return token

    def add(self, token: int) -> None:
        """Counts a token that was not sampled, but is in the answer."""
        self._recent.append(token)
        self._counts[token] += 1

    def _biased(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        sampling = self._sampling
        penalised = bool(sampling.frequency_penalty or sampling.presence_penalty)
        if not sampling.logit_bias and not (penalised and self._counts):
            return logits
        logits = logits.copy()
        for token, bias in sampling.logit_bias:
            logits[token] += bias
        if penalised:
            tokens = np.fromiter(self._counts, np.intp)
            counts = np.fromiter(self._counts.values(), np.float32)
            logits[tokens] -= counts * sampling.frequency_penalty + sampling.presence_penalty
        return logits

    def _repeat_penalised(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        penalty = self._sampling.repeat_penalty
        if penalty == 1 or not self._recent:
            return logits
        logits = logits.copy()
        recent = np.fromiter(set(self._recent), dtype=np.intp)
        values = logits[recent]
        logits[recent] = np.where(values > 0, values / penalty, values * penalty)
        return logits

    def _choose(self, logits: NDArray[np.float32]) -> int:
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise EngineError("The model's output is not a number, so its file is damaged.")
        if self._sampling.temperature == 0:
            return best
        tokens = self._most_likely(logits)
        distances = logits[tokens].astype(np.float64) - float(logits[best])
        kept = self._nucleus(np.exp(distances))
        with np.errstate(over="ignore"):  # at a tiny temperature, all but the best become 0
            cumulative = np.exp(distances[:kept] / self._sampling.temperature).cumsum()
        drawn = np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right")
        return int(tokens[min(drawn, kept - 1)])

    def _most_likely(self, logits: NDArray[np.float32]) -> NDArray[np.intp]:
        """The ids of the ``top_k`` largest logits, largest first."""
        top_k = self._sampling.top_k
        if not 0 < top_k < len(logits):
            return np.argsort(logits)[::-1]
        tokens: NDArray[np.intp] = np.argpartition(logits, -top_k)[-top_k:]
        order: NDArray[np.intp] = np.lexsort((tokens, -logits[tokens]))
        return tokens[order]

    def _nucleus(self, weights: NDArray[np.float64]) -> int:
        """How many candidates top-p and min-p keep. ``weights`` are sorted, and the first is 1."""
        kept = len(weights)
        if self._sampling.top_p < 1:
            cumulative = weights.cumsum()
            kept = 1 + int(np.searchsorted(cumulative, self._sampling.top_p * cumulative[-1]))
        if self._sampling.min_p > 0:
            kept = min(kept, int(np.count_nonzero(weights >= self._sampling.min_p)))
        return max(1, min(kept, len(weights)))
