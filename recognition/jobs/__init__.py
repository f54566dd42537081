"""Long work as rows. A job has a lease, progress, a log and a result; workers run the jobs."""
