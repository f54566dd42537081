"""What is to be done for each photo of an archive, before any of it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from recognition.web.boundaries import ColumnValues


@dataclass(frozen=True, slots=True)
class PlannedPhoto:
    """path: in the archive. person_key: equal for photos of one person. who: values of a person who
    is made if there is none; `entry` beside them is an archive's own. code and message: why it is
    refused already."""

    path: str
    person_key: str = ""
    who: ColumnValues = field(default_factory=dict)
    code: str = ""
    message: str = ""


def refused(path: str, code: str, message: str) -> PlannedPhoto:
    return PlannedPhoto(path, code=code, message=message)
