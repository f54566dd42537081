from __future__ import annotations

from threadpoolctl import threadpool_info

from ml_engine.runtime.threads import one_blas_thread


def _threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_last_caller_restores_the_threads_of_blas() -> None:
    before = _threads()
    with one_blas_thread:
        with one_blas_thread:
            assert set(_threads()) == {1}
        assert set(_threads()) == {1}, "another caller is still in it"
    assert _threads() == before
