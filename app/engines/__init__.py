"""The engines, which evaluate tokens: a package for each, all behind the interface in `base`."""

from importlib import import_module

from .base import EngineRoom

ENGINES = ("ctransformers", "llama-cpp")
"""The engines, the preferred one first. Importing one may take a while."""


def engine_room(name: str) -> EngineRoom:
    """The package of an engine, imported when it is first needed."""
    room: EngineRoom = import_module(f".{name.replace('-', '_')}", __package__)
    return room
