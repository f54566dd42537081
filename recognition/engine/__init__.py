"""The one engine of the process."""

from recognition.engine.host import (
    engine_config,
    engine_state,
    engine_stats,
    get_engine,
    start_engine,
    stop_engine,
    use_engine,
)

__all__ = [
    "engine_config",
    "engine_state",
    "engine_stats",
    "get_engine",
    "start_engine",
    "stop_engine",
    "use_engine",
]
