"""The API's response objects, as OpenAI and GPT4All shape them: one presenter for each endpoint."""

from .base import Presenter, Shown
from .chat import ChatPresenter, PageChatPresenter
from .completions import CompletionPresenter
from .responses import ResponsesPresenter

__all__ = [
    "ChatPresenter",
    "CompletionPresenter",
    "PageChatPresenter",
    "Presenter",
    "ResponsesPresenter",
    "Shown",
]
