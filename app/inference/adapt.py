"""Preparing a model once: a GGUF that ctransformers can load, and what else is read from it.

ctransformers 0.2.27 cannot load today's files as they are: it knows no tied embeddings and
crashes on today's byte-level vocabularies. The weights are copied unchanged; the vocabulary
becomes placeholders, because ctransformers' own tokenizer is never used.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import gguf
from filelock import FileLock
from tokenizers import Tokenizer

from .errors import ModelError
from .gguf_file import GGUFFile, read_gguf
from .tokenizer import build_tokenizer

_log = logging.getLogger(__name__)

_VERSION = 1  # raised when what was prepared before must be prepared anew
_HEADER_BYTES = 1 << 20
_WEIGHTS, _TOKENIZER, _FACTS = "weights.gguf", "tokenizer.json", "facts.json"

# Tokens that end an answer beside the end-of-sequence token (llama.cpp,
# src/llama-vocab.cpp, `special_eog_ids`).
_END_TOKENS = frozenset(
    {
        "<|endoftext|>", "<|im_end|>", "<|end|>", "<|eot_id|>", "<|eom_id|>",
        "<|end_of_text|>", "<end_of_turn>", "<EOT>", "</s>",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a GGUF says of its model beside weights and vocabulary.

    ``identity`` tells one version of the file from another; ``sizes`` are those of what was
    prepared, in bytes, and betray damage. ``context_length`` is the trained one, in tokens.
    ``end_tokens`` are the ids that end an answer; ``bos_token`` begins an empty prompt and,
    with ``add_bos_token``, every prompt.
    """

    identity: str
    sizes: list[int]
    context_length: int
    vocabulary_size: int
    bos_token: int | None
    eos_token: int | None
    add_bos_token: bool
    end_tokens: list[int]
    chat_template: str | None


@dataclass(frozen=True)
class PreparedModel:
    """A model in the cache folder, ready to be loaded in a fraction of a second."""

    folder: Path
    facts: Facts

    @property
    def weights(self) -> Path:
        """The GGUF for ctransformers."""
        return self.folder / _WEIGHTS

    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, read from the cache. Raises `ModelError`."""
        path = self.folder / _TOKENIZER
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exceptions
            raise ModelError(f"{path} is damaged; delete it ({error}).") from error


def prepare(path: Path, cache: Path) -> PreparedModel:
    """The prepared form of the GGUF at ``path``, from the cache folder or made now.

    Raises `ModelError` with the reason when the file cannot be used.
    """
    try:
        identity = _identity(path)
        folder = cache / _digest(os.fsencode(path.resolve()))
        if (facts := _facts_in(folder, identity)) is None:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / ".lock"):
                if (facts := _facts_in(folder, identity)) is None:
                    facts = _prepare(path, folder, identity)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be prepared: {error}.") from error
    return PreparedModel(folder, facts)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _identity(path: Path) -> str:
    status = path.stat()
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    return _digest(f"{_VERSION} {status.st_size} {status.st_mtime_ns} ".encode() + header)


def _facts_in(folder: Path, identity: str) -> Facts | None:
    """What an earlier run prepared in ``folder``, if it is whole and this version's."""
    try:
        facts = Facts(**json.loads((folder / _FACTS).read_text(encoding="utf-8")))
        sizes = _sizes(folder)
    # Nothing there, or damaged.
    except (OSError, ValueError, TypeError):
        return None
    return facts if (facts.identity, facts.sizes) == (identity, sizes) else None


def _sizes(folder: Path) -> list[int]:
    return [(folder / name).stat().st_size for name in (_WEIGHTS, _TOKENIZER)]


def _prepare(path: Path, folder: Path, identity: str) -> Facts:
    """Makes ``folder`` whole or not at all. The caller holds the cache's lock."""
    _log.info("Preparing %s; this happens once ...", path.name)
    file = read_gguf(path)
    for leftover in [*folder.parent.glob(".new-*"), folder]:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        build_tokenizer(file).save(str(new / _TOKENIZER), pretty=False)
        _write_weights(file, new / _WEIGHTS)
        facts = _facts(file, identity, _sizes(new))
        (new / _FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new)
        raise
    _log.info("%s is prepared.", path.name)
    return facts


def _facts(file: GGUFFile, identity: str, sizes: list[int]) -> Facts:
    tokens: list[str] = file.get("tokenizer.ggml.tokens")
    eos = file.get("tokenizer.ggml.eos_token_id")
    end_tokens = {i for i, token in enumerate(tokens) if token in _END_TOKENS} | {eos} - {None}
    return Facts(
        identity=identity,
        sizes=sizes,
        context_length=file.get("llama.context_length"),
        vocabulary_size=len(tokens),
        bos_token=file.get("tokenizer.ggml.bos_token_id"),
        eos_token=eos,
        add_bos_token=file.get("tokenizer.ggml.add_bos_token", False),
        end_tokens=sorted(end_tokens),
        chat_template=file.get("tokenizer.chat_template"),
    )


def _write_weights(file: GGUFFile, path: Path) -> None:
    names = {tensor.name for tensor in file.tensors}
    with closing(gguf.GGUFWriter(path, arch="llama")) as writer:
        for key, value, kind in file.scalars("llama."):
            writer.add_key_value(key, value, kind)
        _write_placeholder_vocabulary(writer, size=len(file.get("tokenizer.ggml.tokens")))
        for tensor in file.tensors:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            if tensor.name == "token_embd.weight" and "output.weight" not in names:
                writer.add_tensor("output.weight", tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def _write_placeholder_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """A vocabulary in the form that ctransformers accepts; it looks up the newline byte."""
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<0x{i:02X}>" if i < 256 else f"<{i}>" for i in range(size)])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
