"""Aligned faces to embeddings."""

from ml_engine.embedding.embedder import Embedder, load_embedder

__all__ = ["Embedder", "load_embedder"]
