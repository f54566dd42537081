"""Many people at once: jobs that import photos or collections, and jobs that export collections."""
