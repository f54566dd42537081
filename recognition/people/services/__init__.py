"""Everything that writes: rows, files, the log of the gallery, the audit log and notices.

The order of locks is in `locks`; what runs after a commit is in `recognition.web.transactions`.
"""
