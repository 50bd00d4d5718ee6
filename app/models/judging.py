"""What a GGUF is, and which engines can run it."""

import math
from collections import Counter

from ..engines import ENGINES, engine_room
from ..exceptions import ModelError
from .facts import Facts, Judgement
from .gguf_file import GGUFFile
from .vocabulary import judge_vocabulary

# `Sampling`'s names, and those of GGUFs (gguf's constants, `Keys.General`).
_SAMPLING = {
    "temperature": "temp",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "penalty_repeat",
    "repeat_last_n": "penalty_last_n",
}


def judge(file: GGUFFile) -> Judgement:
    """Reads and judges a GGUF. Raises `ModelError` with the reasons if no engine can run it."""
    architecture = file.typed("general.architecture", str, "")
    rooms, refusals = {name: engine_room(name) for name in ENGINES}, {}
    for name, room in rooms.items():
        if (refusal := room.refusal(architecture)) is not None:
            refusals[name] = refusal
    if len(refusals) == len(rooms):
        reasons = " ".join(refusals.values())
        raise file.unusable(f"its architecture is {architecture!r}. {reasons}")
    facts, plans = _facts(file, architecture), []
    for name, room in rooms.items():
        if name not in refusals:
            try:
                plans.append(room.plan(file, facts))
            except ModelError as error:
                refusals[name] = str(error)
    if not plans:
        # What is wrong with the file goes first: it begins with its name.
        raise ModelError(" ".join(sorted(refusals.values(), key=lambda r: file.path.name not in r)))
    return Judgement(facts, tuple(plans), refusals)


def _facts(file: GGUFFile, architecture: str) -> Facts:
    types: Counter[str] = Counter()
    for tensor in file.tensors.values():
        types[tensor.tensor_type.name] += int(tensor.n_bytes)
    weights = (t for name, t in file.tensors.items() if not name.startswith("rope_"))
    return Facts(
        architecture=architecture,
        weight_type=types.most_common(1)[0][0] if types else "",
        parameters=sum(int(tensor.n_elements) for tensor in weights),
        chat_template=file.typed("tokenizer.chat_template", str),
        vocabulary=judge_vocabulary(file),
        sampling=_sampling(file),
    )


def _sampling(file: GGUFFile) -> dict[str, float]:
    """The model's own defaults, which converters take from its generation_config.json."""
    found = {name: file.get(f"general.sampling.{key}") for name, key in _SAMPLING.items()}
    return {
        name: value
        for name, value in found.items()
        if type(value) in (int, float) and 0 <= value < math.inf
    }
