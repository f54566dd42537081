from __future__ import annotations

from tests.recognition.bulk.conftest import start_worker

__all__ = ["start_worker"]
