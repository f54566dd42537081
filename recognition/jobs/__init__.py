"""Long work as rows: a job has a lease, progress, a log and a result; workers run them."""
