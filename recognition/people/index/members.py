"""Who owns the templates of a gallery: what a snapshot says, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

# What a person is called: name, external id, labels.
Names = tuple[str, str | None, tuple[str, ...]]
# The person and the image of a template. The image is text: building a UUID for each would take
# longer than the rest of the loading.
Owner = tuple[UUID, str]


@dataclass(slots=True)
class Member:
    """A person with templates."""

    name: str
    external_id: str | None
    labels: tuple[str, ...] = ()
    templates: list[int] = field(default_factory=list)


class StoredOwners(Protocol):
    """What does not change, such as the files of a snapshot. size: people and templates."""

    size: tuple[int, int]

    def owner(self, template: int) -> Owner | None: ...

    def member(self, person: UUID) -> Member | None: ...


class _Nothing:
    size = (0, 0)

    def owner(self, template: int) -> Owner | None:
        return None

    def member(self, person: UUID) -> Member | None:
        return None


class Members:
    """Any number of threads may read; one thread at a time may change it."""

    def __init__(self, stored: StoredOwners | None = None) -> None:
        self._stored = stored or _Nothing()
        self._people, self._templates = self._stored.size
        # Beside what is stored; None: no longer there.
        self._owners: dict[int, Owner | None] = {}
        self._members: dict[UUID, Member | None] = {}

    @property
    def size(self) -> tuple[int, int]:
        """People and templates."""
        return self._people, self._templates

    def owner(self, template: int) -> Owner | None:
        if template in self._owners:
            return self._owners[template]
        return self._stored.owner(template)

    def member(self, person: UUID) -> Member | None:
        if person in self._members:
            return self._members[person]
        return self._stored.member(person)

    def put(self, template: int, owner: Owner, names: Names) -> None:
        """A template is new, or has this owner now, or its owner is called so now."""
        member = self._changeable(owner[0])
        member.name, member.external_id, member.labels = names
        member.templates.append(template)
        # In place: a concurrent search finds the old owner or the new one.
        before = self.owner(template)
        self._owners[template] = owner
        if before is None:
            self._templates += 1
        else:
            self._release(template, before[0])

    def drop(self, template: int) -> None:
        before = self.owner(template)
        if before is None:
            return
        self._templates -= 1
        if self._stored.owner(template) is None:
            del self._owners[template]
        else:
            self._owners[template] = None
        self._release(template, before[0])

    def _changeable(self, person: UUID) -> Member:
        member = self.member(person)
        if member is None:
            member = Member("", None)
            self._people += 1
        self._members[person] = member
        return member

    def _release(self, template: int, person: UUID) -> None:
        """Take one template from a person, and forget the person with the last one."""
        member = self._changeable(person)
        member.templates.remove(template)
        if member.templates:
            return
        self._people -= 1
        if self._stored.member(person) is None:
            del self._members[person]
        else:
            self._members[person] = None
