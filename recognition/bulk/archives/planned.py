"""The plan for each photo of an archive, made before any photo is examined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from recognition.web.boundaries import ColumnValues

# Of an entry: where its local header begins in the archive, and the number of its packed bytes.
Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """path: path in the archive. person_key: the same for all photos of one person. who: values for
    a new person, if the collection does not have this person yet. code and message: the reason, if
    the photo is refused already. places: of all entries that show the person.
    sha256: of an exported face. faces: those of all exported faces of the person."""

    path: str
    person_key: str = ""
    who: ColumnValues = field(default_factory=dict)
    code: str = ""
    message: str = ""
    places: list[Place] = field(default_factory=list)
    sha256: str = ""
    faces: tuple[str, ...] = ()


def refused(path: str, code: str, message: str) -> PlannedPhoto:
    return PlannedPhoto(path, code=code, message=message)
