"""Archives in pieces, imports with an outcome for each photo, and exports."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models

from recognition.jobs.models import Job, JobOwner
from recognition.people.models.collection import Collection
from recognition.people.models.person import FaceImage, Person
from recognition.web.identifiers import BinaryCollatedCharField, uuid7


class Archive(models.Model):
    """A ZIP in the media storage, stored in pieces. So it can be sent and written piece by piece,
    and a worker on another machine can read it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    received = models.PositiveBigIntegerField(default=0, help_text="Bytes that have arrived.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    def __str__(self) -> str:
        return f"archive {self.pk}"


def _piece_path(instance: Piece, filename: str) -> str:
    return f"archives/{instance.archive_id}/{instance.offset:015d}.part"


class Piece(models.Model):
    """The `size` bytes of an archive that begin at `offset`."""

    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="pieces")
    offset = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    file = models.FileField(upload_to=_piece_path, max_length=200)

    class Meta:
        ordering = ["offset"]
        constraints = [
            models.UniqueConstraint(fields=["archive", "offset"], name="piece_once_per_archive"),
        ]

    def __str__(self) -> str:
        return f"{self.archive_id} from {self.offset}"


class Upload(JobOwner):
    """A file that is sent in pieces, for a job that starts when all of it has arrived.

    KIND: of the job; a part of the codes of errors and of the names in the audit log.
    """

    class State(models.TextChoices):
        UPLOADING = "uploading", "Waiting for its file"
        STARTED = "started", "Started"
        OVER = "over", "Over"

    KIND: ClassVar[str]
    WAITING = State.STARTED

    collection_id: UUID
    state = models.CharField(max_length=16, choices=State.choices, default=State.UPLOADING)
    archive = models.OneToOneField(Archive, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta(JobOwner.Meta):
        abstract = True


class ImportRun(Upload):
    """The import of one archive, which is deleted when the import is over. Its items are its
    report."""

    KIND = "import"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="imports")
    name = models.CharField(max_length=200, help_text="Name of the archive or folder.")
    is_planned = models.BooleanField(default=False, help_text="Every photo has its item.")
    erased = models.JSONField(
        default=list,
        editable=False,
        help_text="Keyed hashes of people erased before it was planned.",
    )
    # Kept, because the worker may be killed before the job tells it.
    refusal_code = models.CharField(
        max_length=64, blank=True, help_text="Why it was refused as a whole."
    )
    refusal_message = models.CharField(max_length=500, blank=True)

    class Meta(Upload.Meta):
        verbose_name = "import"

    def __str__(self) -> str:
        return self.name


def _picture_path(instance: ImportItem, filename: str) -> str:
    return f"imports/{instance.run_id}/{instance.picture_id}.bin"


class ImportItem(models.Model):
    """One photo of an import and its outcome: enrolled or refused. The outcome is written once."""

    class State(models.TextChoices):
        PENDING = "pending", "Not looked at yet"
        ENROLLED = "enrolled", "Enrolled"
        REFUSED = "refused", "Refused"

    # Refusals that a user may overrule. The photo is kept for that.
    OVERRULED = frozenset({"low_quality", "several_faces", "looks_like_another_person"})

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField(help_text="Position in the archive, from 0.")
    path = models.CharField(max_length=500, help_text="Path in the archive.")
    person_key = BinaryCollatedCharField(
        max_length=255, blank=True, help_text="The same for all photos of one person."
    )
    who = models.JSONField(default=dict, help_text="Values for a new person.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of an exported face.")
    places = models.JSONField(
        default=list, editable=False, help_text="Offset and bytes of its entries in the archive."
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    code = models.CharField(max_length=64, blank=True)
    message = models.CharField(max_length=500, blank=True)
    quality = models.FloatField(null=True)
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    image = models.ForeignKey(FaceImage, null=True, on_delete=models.SET_NULL, related_name="+")
    picture = models.FileField(upload_to=_picture_path, max_length=200, blank=True)
    tries = models.PositiveSmallIntegerField(
        default=0, help_text="Number of attempts of the job that began with it."
    )
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="item_once_per_import"),
        ]
        indexes = [
            models.Index(fields=["run", "state", "code"], name="item_by_outcome"),
            models.Index(fields=["run", "person_key"], name="item_by_person"),
            models.Index(fields=["sha256"], name="item_by_face"),
        ]

    # Not a column: part of the file name under which `picture` is written.
    picture_id: UUID | None = None

    def __str__(self) -> str:
        return self.path

    @property
    def may_be_overruled(self) -> bool:
        return (
            self.state == self.State.REFUSED
            and self.code in self.OVERRULED
            and bool(self.picture.name)
        )

    def file_id(self, attempt: int) -> UUID:
        """The id of the files that this attempt of the job writes for the photo. It is different
        for each attempt, so that a later attempt can remove the files of a killed one without
        removing its own."""
        return UUID(int=self.pk.int ^ attempt)


class Export(models.Model):
    """A collection that is written to an archive."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="exports")
    has_originals = models.BooleanField(default=False)
    is_complete = models.BooleanField(default=False)
    archive = models.OneToOneField(Archive, null=True, on_delete=models.SET_NULL, related_name="+")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.CharField(max_length=200, help_text="As in the audit log.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"export of {self.collection_id}"
