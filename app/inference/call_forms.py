"""The forms in which models write calls of functions: one table, for grammars and for reading."""

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class CallForm:
    """The texts around the calls at the end of an answer.

    A chat template with all of ``signs`` has this form. ``begin`` comes first, and in no other
    text; where it is empty, calls are the whole answer. Then one of ``openings`` follows. Each call
    is ``before``, the name of the function, ``after``, its arguments, which are a JSON object, and
    ``tail``. ``between`` separates calls; where it is empty, there is only one. ``end`` comes last.
    With ``short_ids``, the template only takes ids of nine letters and digits.
    """

    signs: tuple[str, ...]
    after: str
    before: str = ""
    begin: str = ""
    openings: tuple[str, ...] = ("",)
    tail: str = ""
    between: str = ""
    end: str = ""
    short_ids: bool = False

    @cached_property
    def texts(self) -> str:
        """All of the texts."""
        around = (self.before, self.after, self.tail, self.between, self.end)
        return "".join((self.begin, *self.openings, *around))

    @cached_property
    def any_head(self) -> re.Pattern[str]:
        """Finds what comes before the arguments of a call. Its group is the function's name."""
        before, after = map(re.escape, (self.before, self.after))
        return re.compile(rf"{before}([\w.-]+){after}", re.ASCII)

    def first_heads(self, name: str, after: str) -> list[str]:
        """What may come after ``begin``, from the opening up to ``after`` behind the name."""
        return [f"{opening}{self.before}{name}{after}" for opening in self.openings]

    def next_head(self, name: str) -> str:
        """What comes between two calls, up to the arguments of the second one."""
        return f"{self.between}{self.before}{name}{self.after}"


# Hermes and Qwen. Many other models were trained on it too.
HERMES = CallForm(
    signs=("<tool_call>",),
    begin="<tool_call>",
    openings=("\n",),
    before='{"name": "',
    after='", "arguments": ',
    tail="}\n</tool_call>",
    between="\n<tool_call>\n",
)

# The first that fits is taken.
_FORMS = (
    HERMES,
    # Mistral since its tokenizer v11.
    CallForm(
        signs=("[TOOL_CALLS]", "[ARGS]"),
        begin="[TOOL_CALLS]",
        after="[ARGS]",
        between="[TOOL_CALLS]",
        short_ids=True,
    ),
    # Mistral before that. The first text is SentencePiece's, the second one Tekken's.
    CallForm(
        signs=("[TOOL_CALLS]",),
        begin="[TOOL_CALLS]",
        openings=(" [", "["),
        before='{"name": "',
        after='", "arguments": ',
        tail="}",
        between=", ",
        end="]",
        short_ids=True,
    ),
    # Llama since 3.1, which sometimes begins with a type, or with the mark of its own functions.
    CallForm(
        signs=("ipython", '"parameters": '),
        openings=("{", '{"type": "function", ', "<|python_tag|>{"),
        before='"name": "',
        after='", "parameters": ',
        tail="}",
    ),
)


def form_of(template: str) -> CallForm | None:
    """The form of calls in a chat template that can show functions. None if it cannot."""
    if "tools" not in template:
        return None
    return next((f for f in _FORMS if all(sign in template for sign in f.signs)), None)
