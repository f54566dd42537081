"""Everything that writes: rows, files, the gallery's log, the audit log, and what others are told.

Order of locks, everywhere: the collection's row first, then people, then the rest.
"""
