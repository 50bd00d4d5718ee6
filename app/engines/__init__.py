"""The engines, which evaluate tokens: a package for each, all behind the interface in `base`."""

from importlib import import_module

from .base import EngineRoom

_ENGINES = ("ctransformers",)
"""The engines, the preferred one first. Importing one may take a while."""


def engine_room(name: str) -> EngineRoom:
    """The package of an engine, imported when it is first needed."""
    room: EngineRoom = import_module(f".{name}", __package__)
    return room


def engine_rooms() -> list[EngineRoom]:
    """The packages of all engines, the preferred one first."""
    return [engine_room(name) for name in _ENGINES]
