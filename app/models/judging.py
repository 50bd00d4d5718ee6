"""What a GGUF is, and which engine can run it."""

from collections import Counter

from ..engines import engine_rooms
from ..exceptions import ModelError
from .facts import Facts, Judgement
from .gguf_file import GGUFFile
from .vocabulary import judge_vocabulary


def judge(file: GGUFFile) -> Judgement:
    """Reads and judges a GGUF. Raises `ModelError` with the reasons if no engine can run it."""
    rooms = engine_rooms()
    architecture = file.get("general.architecture")
    known = [name for room in rooms for name in room.ARCHITECTURES]
    if architecture not in known:
        raise file.unusable(
            f"its architecture is {architecture!r}; {', '.join(map(repr, known))} run here."
        )
    facts = _facts(file, architecture)
    reasons = []
    for room in rooms:
        if architecture in room.ARCHITECTURES:
            try:
                return Judgement(facts, room.plan(file, facts))
            except ModelError as error:
                reasons.append(str(error))
    raise ModelError(" ".join(reasons))


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
    )
