"""From a song to a level: tempo, decoding, sampling, packing. Knows nothing of training.

The names in ``__all__`` are the Python API; they are imported when they are asked
for, so that the other modules of this room stay quick to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.infer.level_request import LevelRequest
    from saberlm.infer.live import LiveBar, LiveMap
    from saberlm.infer.mapper import MappedLevel, Mapper

__all__ = ["LevelRequest", "LiveBar", "LiveMap", "MappedLevel", "Mapper"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from saberlm.infer import level_request, live, mapper

    return next(getattr(m, name) for m in (mapper, live, level_request) if hasattr(m, name))
