"""Many people at once: imports of photos and of collections, exports, each run by a job."""
