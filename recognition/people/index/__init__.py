"""The templates of each collection in memory, kept in step with the database.

The database is the source of truth. Every change of templates calls `note_changes` in its
transaction, which raises the revision of the collection under a lock of its row and logs the
templates. A gallery reads the log after its own revision, and loads these templates from the
database; if it is too far behind, it loads everything again. This happens on commit in the process
that made the change, and before a search in every other process.

| file | what |
| --- | --- |
| `gallery` | one collection's gallery: follows the database, answers searches |
| `contents` | its state in memory |
| `reading` | its queries |
| `changes` | the log of changes that other processes follow |
| `process` | the galleries of this process |
| `members` | who owns its templates |
| `snapshots` | a large gallery in files that all processes map |
| `settling` | overwrites what was removed from it |
| `snapshot_folder` | where they are, and their names |
| `snapshot_files` | these files |
| `loading` | loads them before the first search |
| `candidates` | says which galleries of new models are loaded |
"""

from recognition.people.index.candidates import gallery_processes_prune
from recognition.people.index.changes import changes_prune, note_changes, oldest_change_s
from recognition.people.index.gallery import Gallery
from recognition.people.index.loading import GalleryLoader
from recognition.people.index.process import forget_galleries, gallery_of, held_galleries
from recognition.people.index.settling import snapshots_follow
from recognition.people.index.snapshots import (
    snapshot_problems,
    snapshots_prune,
    snapshots_refresh,
)

__all__ = [
    "Gallery",
    "GalleryLoader",
    "changes_prune",
    "forget_galleries",
    "gallery_of",
    "gallery_processes_prune",
    "held_galleries",
    "note_changes",
    "oldest_change_s",
    "snapshot_problems",
    "snapshots_follow",
    "snapshots_prune",
    "snapshots_refresh",
]
