"""marshmallow: the only place that validates, and that names the API's fields."""

from .chat import ChatRequest, ChatSchema
from .completions import CompletionRequest, CompletionSchema
from .loading import load
from .model_settings import ModelSettingsFiles
from .openapi import openapi_document
from .settings import Settings, SettingsError, read_settings

__all__ = [
    "ChatRequest",
    "ChatSchema",
    "CompletionRequest",
    "CompletionSchema",
    "ModelSettingsFiles",
    "Settings",
    "SettingsError",
    "load",
    "openapi_document",
    "read_settings",
]
