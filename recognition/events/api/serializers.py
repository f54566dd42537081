from __future__ import annotations

from rest_framework import serializers

from recognition.events.models import Event
from recognition.people.api.serializers.faces import NamedPersonSerializer


class EventFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)
    camera = serializers.UUIDField(required=False)
    person = serializers.UUIDField(required=False)
    decision = serializers.ChoiceField(choices=Event.Decision.choices, required=False)
    review = serializers.ChoiceField(choices=Event.Review.choices, required=False)
    since = serializers.DateTimeField(required=False, help_text="Seen at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Started before this time.")
    # DRF's metaclass takes fields out of the class, so this is not Field.label.
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="Only events of people with this label."
    )
    is_open = serializers.BooleanField(required=False, default=None, allow_null=True)


class NamedSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()


class EventSerializer(serializers.Serializer):
    """One visit, for any number of frames."""

    id = serializers.UUIDField()
    collection = serializers.UUIDField()
    camera = NamedSerializer(allow_null=True)
    person = NamedPersonSerializer(allow_null=True)
    decision = serializers.ChoiceField(choices=Event.Decision.choices)
    similarity = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField()
    false_match_rate = serializers.FloatField(allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    is_open = serializers.BooleanField()
    review = serializers.ChoiceField(choices=Event.Review.choices)
    snapshot_url = serializers.CharField(allow_null=True)
    face_url = serializers.CharField(allow_null=True)


class ReviewInput(serializers.Serializer):
    review = serializers.ChoiceField(choices=Event.Review.choices)
