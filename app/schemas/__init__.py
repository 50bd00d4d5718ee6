"""marshmallow: the only place that validates, and that names the API's fields."""

from .chat import ChatSchema
from .completions import CompletionSchema
from .generation import Request
from .loading import load
from .model_settings import ModelSettingsFiles
from .responses import ResponsesSchema
from .settings import Settings, SettingsError, read_settings

__all__ = [
    "ChatSchema",
    "CompletionSchema",
    "ModelSettingsFiles",
    "Request",
    "ResponsesSchema",
    "Settings",
    "SettingsError",
    "load",
    "read_settings",
]
