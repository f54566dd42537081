"""Imports and exports in the OpenAPI document. The answers themselves are built by
`recognition.bulk.payloads`."""

from __future__ import annotations

from rest_framework import serializers

from recognition.bulk.models import ImportItem, ImportRun
from recognition.jobs.api.serializers import JobSerializer
from recognition.people.api.serializers.faces import PersonReferenceSerializer


class CollectionFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)


class ImportInput(serializers.Serializer):
    """An import that waits for its archive."""

    collection = serializers.UUIDField(
        required=False, help_text="Optional if the caller sees only one."
    )
    name = serializers.CharField(
        max_length=200, required=False, default="archive.zip", help_text="Shown to people."
    )
    size = serializers.IntegerField(min_value=1, help_text="Size of the ZIP in bytes.")


class ImportSerializer(serializers.Serializer):
    """The import of one archive."""

    id = serializers.UUIDField()
    collection = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=ImportRun.State.choices)
    size = serializers.IntegerField(
        allow_null=True, help_text="Bytes; null after the archive is deleted."
    )
    received = serializers.IntegerField(allow_null=True)
    outcomes = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Number of photos: `enrolled`, `pending`, and by each code of refusal.",
    )
    job = JobSerializer(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ItemFilter(serializers.Serializer):
    state = serializers.ChoiceField(choices=ImportItem.State.choices, required=False)
    code = serializers.CharField(required=False, help_text="Such as `low_quality`.")


class ImportItemSerializer(serializers.Serializer):
    """A photo of an import, and its outcome."""

    number = serializers.IntegerField(help_text="Position in the archive, from 0.")
    file = serializers.CharField(help_text="Empty after its person is erased.")
    state = serializers.ChoiceField(choices=ImportItem.State.choices)
    code = serializers.CharField(
        help_text="`accepted`, or the code of the refusal; empty while it is pending."
    )
    message = serializers.CharField()
    quality = serializers.FloatField(allow_null=True)
    person = PersonReferenceSerializer(allow_null=True)
    image = serializers.UUIDField(allow_null=True, help_text="The stored image.")
    may_be_overruled = serializers.BooleanField(help_text="POST …/enrol can still enrol it.")


class ExportInput(serializers.Serializer):
    """A collection to export."""

    collection = serializers.UUIDField(
        required=False, help_text="Optional if the caller sees only one."
    )
    has_originals = serializers.BooleanField(
        required=False, default=False, help_text="Include the original photos, if they are kept."
    )


class ExportSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    collection = serializers.UUIDField()
    has_originals = serializers.BooleanField()
    is_complete = serializers.BooleanField(help_text="If true, it can be downloaded.")
    size = serializers.IntegerField(allow_null=True, help_text="Bytes; null until it is complete.")
    job = JobSerializer(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
