"""Everything that writes: rows, files, the gallery's log, the audit log, and what others are told.

The order of locks is in `locks`; what runs after a commit is in `recognition.web.transactions`.
"""
