"""Models that are trained on a collection's own people, or adapted to a camera, by jobs."""
