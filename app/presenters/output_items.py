"""A response's output items, and the events that tell how they grow.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal

from ..pieces import CallPiece
from .base import Object

Status = Literal["in_progress", "completed", "incomplete"]
# The name of an event, and what it has besides its place and that of the item.
Told = tuple[str, Object]


class OutputItem(ABC):
    """An item, as far as it has grown."""

    id_prefix: str

    def __init__(self) -> None:
        self.id = f"{self.id_prefix}_{uuid.uuid4().hex}"
        self.status: Status = "in_progress"
        self.text = ""

    @property
    @abstractmethod
    def shown(self) -> Object:
        """OpenAI's object."""

    def begin(self) -> Iterator[Told]:
        """What is told when the item has been added."""
        return iter(())

    @abstractmethod
    def grow(self, text: str, logprobs: Sequence[Object]) -> Iterator[Told]:
        """Adds to the text."""

    @abstractmethod
    def end(self) -> Iterator[Told]:
        """What is told before the item is done."""


class _TextItem(OutputItem):
    """An item whose text is in its only part."""

    text_event: str
    part_event = "response.content_part"
    parts_field = "content"

    def __init__(self) -> None:
        super().__init__()
        self._place = {f"{self.parts_field}_index": 0}
        self._has_part = False

    @property
    @abstractmethod
    def _part(self) -> Object: ...

    @property
    def _whole(self) -> Object:
        return {"text": self.text}

    @property
    def _parts(self) -> list[Object]:
        return [self._part] if self._has_part else []

    def begin(self) -> Iterator[Told]:
        """Tells of the part."""
        self._has_part = True
        yield f"{self.part_event}.added", {**self._place, "part": self._part}

    def grow(self, text: str, logprobs: Sequence[Object]) -> Iterator[Told]:
        """Adds to the text."""
        self.text += text
        yield f"{self.text_event}.delta", {**self._place, "delta": text}

    def end(self) -> Iterator[Told]:
        """Tells of the whole text."""
        yield f"{self.text_event}.done", {**self._place, **self._whole}
        yield f"{self.part_event}.done", {**self._place, "part": self._part}


class MessageItem(_TextItem):
    """The text of the answer. The ``citations`` hold for all of it."""

    id_prefix = "msg"
    text_event = "response.output_text"

    def __init__(self, citations: Sequence[Object]) -> None:
        super().__init__()
        self._citations = citations
        self._annotations: list[Object] = []
        self._logprobs: list[Object] = []

    @property
    def shown(self) -> Object:
        """OpenAI's ``message``."""
        head = {"id": self.id, "type": "message", "status": self.status, "role": "assistant"}
        return {**head, "content": self._parts}

    @property
    def _part(self) -> Object:
        return {"type": "output_text", **self._whole, "annotations": [*self._annotations]}

    @property
    def _whole(self) -> Object:
        return {"text": self.text, "logprobs": [*self._logprobs]}

    def grow(self, text: str, logprobs: Sequence[Object]) -> Iterator[Told]:
        """Adds to the text."""
        self._logprobs += logprobs
        for name, told in super().grow(text, logprobs):
            yield name, {**told, "logprobs": logprobs}

    def end(self) -> Iterator[Told]:
        """Tells of the citations, and of the whole text."""
        for number, citation in enumerate(self._citations):
            annotation = {**citation, "index": len(self.text)}
            self._annotations.append(annotation)
            places = {**self._place, "annotation_index": number}
            yield f"{self.text_event}.annotation.added", {**places, "annotation": annotation}
        yield from super().end()


class ReasoningItem(_TextItem):
    """What the model thinks."""

    id_prefix = "rs"
    text_event = "response.reasoning_text"
    part_type = "reasoning_text"

    @property
    def shown(self) -> Object:
        """OpenAI's ``reasoning``."""
        head = {"id": self.id, "type": "reasoning", "status": self.status, "summary": []}
        return {**head, self.parts_field: self._parts}

    @property
    def _part(self) -> Object:
        return {"type": self.part_type, "text": self.text}


class SummaryItem(ReasoningItem):
    """What the model thinks, where clients look that ask for a summary of it."""

    text_event = "response.reasoning_summary_text"
    part_event = "response.reasoning_summary_part"
    part_type = "summary_text"
    parts_field = "summary"


class CallItem(OutputItem):
    """A call of a function, which ``piece`` begins."""

    id_prefix = "fc"

    def __init__(self, piece: CallPiece) -> None:
        super().__init__()
        self._call = {"call_id": piece.id, "name": piece.name}

    @property
    def shown(self) -> Object:
        """OpenAI's ``function_call``."""
        head = {"id": self.id, "type": "function_call", "status": self.status}
        return {**head, **self._call, "arguments": self.text}

    def grow(self, text: str, logprobs: Sequence[Object]) -> Iterator[Told]:
        """Adds to the arguments."""
        self.text += text
        yield "response.function_call_arguments.delta", {"delta": text}

    def end(self) -> Iterator[Told]:
        """Tells of all the arguments."""
        done = {"name": self._call["name"], "arguments": self.text}
        yield "response.function_call_arguments.done", done
