"""Streams of frames: sessions, visits and cameras. Browsers and video files are treated alike."""
