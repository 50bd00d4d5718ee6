"""POST /page/collections: what the page can change."""

from .fields import Boolean, Text
from .loading import JsonObject


class SwitchSchema(JsonObject):
    """Whether chats use the collection ``name``."""

    name = Text(required=True)
    active = Boolean(required=True)
