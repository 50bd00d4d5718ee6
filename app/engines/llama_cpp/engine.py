"""The only module that imports llama_cpp."""

import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from ctypes import c_int8, c_int32
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from ...exceptions import Cancelled, EngineError, ModelError
from ...models.facts import VocabularyFacts
from ..base import Codec, Engine, LoadedModel, LoadOptions
from .library import release

if TYPE_CHECKING:
    from ...models.cache import PreparedModel

_logger = logging.getLogger(__name__)

_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_ABORTED = 2  # what llama_decode returns then
_errors: list[str] = []  # what llama.cpp has logged since it was cleared


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, user_data: Any) -> None:
    """Keeps the errors. If Python collected this function, the next line would be a crash."""
    line = text.decode(errors="replace").strip()
    if level == _ERROR and line:
        _errors.append(line)
        _logger.warning("%s", line)


lib.llama_log_set(_log, None)
lib.llama_backend_init()


class LlamaCppModel(LoadedModel):
    """See `LoadedModel`."""

    def __init__(self, model: "PreparedModel", options: LoadOptions) -> None:
        self._options = options
        self._name = model.weights.name
        params = lib.llama_model_default_params()
        params.n_gpu_layers = options.gpu_layers
        # The codec puts the space in front of a text itself, and not inside an answer.
        no_prefix = (lib.llama_model_kv_override * 2)()
        no_prefix[0].tag = lib.LLAMA_KV_OVERRIDE_TYPE_BOOL
        no_prefix[0].key = b"tokenizer.ggml.add_space_prefix"
        no_prefix[0].value.val_bool = False
        params.kv_overrides = no_prefix
        _errors.clear()
        self._model = lib.llama_model_load_from_file(os.fsencode(model.weights), params)
        if not self._model:
            raise self._refused("refused the model")
        if lib.llama_model_has_encoder(self._model):
            raise self._refused("runs it in two parts, which this server does not")
        self._vocabulary = lib.llama_model_get_vocab(self._model)
        self.vocabulary = _facts(model.facts.vocabulary, self._vocabulary)
        self.codec = LlamaCppCodec(self._vocabulary, self.vocabulary)

    def open(self) -> Engine:
        """A context of its own. See `LoadedModel`."""
        options, params = self._options, lib.llama_context_default_params()
        params.n_ctx = options.context_length
        params.n_batch = params.n_ubatch = LlamaCpp.piece
        params.n_threads = params.n_threads_batch = options.threads
        # A sliding window that forgets what is outside of it could not go back.
        params.swa_full = True
        # It is called for every operation, by threads that must not wait for Python. strlen says
        # whether the text of the flag is empty.
        params.abort_callback = lib.ggml_abort_callback(_strlen())
        params.abort_callback_data = options.cancelled.address
        _errors.clear()
        context = lib.llama_init_from_model(self._model, params)
        if not context:
            raise self._refused(f"cannot open a context of {options.context_length} tokens")
        return LlamaCpp(context, options, self.vocabulary.size)

    def close(self) -> None:
        """Frees the weights."""
        lib.llama_model_free(self._model)

    def _refused(self, what: str) -> ModelError:
        reason = f": {_errors[0]}" if _errors else "."
        return ModelError(f"{self._name} cannot be used: llama.cpp ({release()}) {what}{reason}")


class LlamaCpp(Engine):
    """See `Engine`."""

    piece = 128

    def __init__(self, context: Any, options: LoadOptions, vocabulary_size: int) -> None:
        self.context_length = options.context_length
        self._context = context
        self._memory = lib.llama_get_memory(context)
        self._length = 0
        self._size = vocabulary_size

    def evaluate(self, tokens: list[int], position: int) -> None:
        """Evaluates ``tokens``. See `Engine`."""
        if not 0 <= position <= self.context_length - len(tokens):
            raise ValueError(f"{len(tokens)} tokens from {position} on do not fit into the context")
        if self.truncate(position) != position:
            raise EngineError(f"The model cannot go back to its token {position}.")
        for start in range(0, len(tokens), self.piece):
            self._decode(tokens[start : start + self.piece])

    def evaluate_each(self, tokens: list[int], position: int) -> Iterator[NDArray[np.float32]]:
        """Evaluates ``tokens`` together, and yields the logits after each. See `Engine`."""
        self.evaluate([], position)
        for start in range(0, len(tokens), self.piece):
            piece = tokens[start : start + self.piece]
            self._decode(piece, each=True)
            yield from map(self._logits, range(len(piece)))

    def _decode(self, tokens: list[int], *, each: bool = False) -> None:
        """Evaluates a piece behind the others, with the logits after ``each`` or the last."""
        array = (c_int32 * len(tokens))(*tokens)
        wanted = (c_int8 * len(tokens))(*[each] * len(tokens))
        wanted[-1] = True
        batch = lib.llama_batch_get_one(array, len(tokens))
        batch.logits = wanted
        if status := lib.llama_decode(self._context, batch):
            # It may have evaluated a part.
            lib.llama_memory_seq_rm(self._memory, 0, self._length, -1)
            if status == _ABORTED:
                raise Cancelled("Nobody waits for the answer.")
            raise EngineError(f"llama.cpp failed to evaluate the tokens ({status}).")
        self._length += len(tokens)

    def truncate(self, length: int) -> int:
        """Cuts the cache, or clears it where the model has a state that cannot go back."""
        if length < self._length:
            if lib.llama_memory_seq_rm(self._memory, 0, length, -1):
                self._length = length
            else:
                lib.llama_memory_clear(self._memory, False)
                self._length = 0
        return min(length, self._length)

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits after the last evaluated token. See `Engine`."""
        return self._logits(-1)

    def _logits(self, place: int) -> NDArray[np.float32]:
        return np.ctypeslib.as_array(lib.llama_get_logits_ith(self._context, place), (self._size,))

    def close(self) -> None:
        """Frees the context."""
        lib.llama_free(self._context)


class LlamaCppCodec(Codec):
    """llama.cpp's own tokenizer, so that every vocabulary is exact."""

    def __init__(self, vocabulary: Any, facts: VocabularyFacts) -> None:
        self._vocabulary = vocabulary
        self._prefix = " " if facts.space_prefix else ""
        self._control = frozenset(facts.control.values())

    def encode(self, text: str, after_special: bool) -> list[int]:
        """The ids of ``text``. See `Codec`."""
        ids: list[int] = []
        for token in self._encode((self._prefix if after_special else "") + text):
            if token not in self._control:
                ids.append(token)
                continue
            # Merging has made a control token of text that only looks like one.
            written = self.token_bytes(token).decode()
            ids += [*self._encode(written[:1]), *self._encode(written[1:])]
        return ids

    def token_bytes(self, token: int) -> bytes:
        """The bytes of a token. See `Codec`."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lib.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, True)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def _encode(self, text: str) -> list[int]:
        data = text.encode()
        size = len(data) + 1
        array = (c_int32 * size)()
        count = lib.llama_tokenize(self._vocabulary, data, len(data), array, size, False, False)
        if count < 0:
            raise EngineError(f"llama.cpp makes {-count} tokens of {len(data)} bytes.")
        return array[:count]


def _facts(facts: VocabularyFacts, vocabulary: Any) -> VocabularyFacts:
    """``facts``, where llama.cpp itself knows better than the metadata."""
    size = lib.llama_vocab_n_tokens(vocabulary)
    bos, eos = lib.llama_vocab_bos(vocabulary), lib.llama_vocab_eos(vocabulary)
    return replace(
        facts,
        size=size,
        end_tokens=[token for token in range(size) if lib.llama_vocab_is_eog(vocabulary, token)],
        bos=bos if bos >= 0 else None,
        eos=eos if eos >= 0 else None,
        add_bos=lib.llama_vocab_get_add_bos(vocabulary),
        add_eos=lib.llama_vocab_get_add_eos(vocabulary),
    )


def _strlen() -> int | None:
    """The address of C's strlen."""
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    return ctypes.cast(library.strlen, ctypes.c_void_p).value
