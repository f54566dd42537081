"""The one engine of the process, and the models it brings."""

from recognition.engine.host import (
    engine_config,
    engine_state,
    engine_stats,
    get_engine,
    start_engine,
    stop_engine,
    use_engine,
)
from recognition.engine.versions import curve_told, ensure_model_version

__all__ = [
    "curve_told",
    "engine_config",
    "engine_state",
    "engine_stats",
    "ensure_model_version",
    "get_engine",
    "start_engine",
    "stop_engine",
    "use_engine",
]
