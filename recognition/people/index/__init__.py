"""The templates of each collection in memory, kept in step with the database.

The database is the truth. Whoever changes templates calls `note_changes` in the same transaction:
it raises the collection's revision under the row's lock and names the templates. A gallery reads
the changes after its own revision, and takes from the database what those templates are now; where
it missed too much, it loads everything again. That happens on commit in the process that changed
something, and before a search in every other one.

| file | what |
| --- | --- |
| `gallery` | one collection's gallery: when it follows the database, and what it is asked |
| `contents` | what it holds in memory |
| `reading` | what it reads from the database |
| `changes` | the log of changes that others follow |
| `process` | the galleries of this process |
| `loading` | loads them before they are asked |
"""

from recognition.people.index.changes import changes_prune, note_changes
from recognition.people.index.gallery import Gallery
from recognition.people.index.loading import GalleryLoader
from recognition.people.index.process import forget_galleries, gallery_of

__all__ = [
    "Gallery",
    "GalleryLoader",
    "changes_prune",
    "forget_galleries",
    "gallery_of",
    "note_changes",
]
