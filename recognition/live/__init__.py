"""Streams of frames: sessions, visits, cameras. The same for a browser and a file."""
