from __future__ import annotations

from rest_framework import serializers

from recognition.events.models import Clip, Event, Recording
from recognition.jobs.api.serializers import JobSerializer
from recognition.people.api.serializers.faces import NamedPersonSerializer


class EventFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)
    camera = serializers.UUIDField(required=False)
    person = serializers.UUIDField(required=False)
    recording = serializers.UUIDField(required=False, help_text="Found in this recording.")
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


class ClipSerializer(serializers.Serializer):
    """The video of a visit. It is ready some seconds after the visit began."""

    id = serializers.UUIDField(help_text="The same for visits that began together.")
    state = serializers.ChoiceField(choices=Clip.State.choices)
    message = serializers.CharField(help_text="Why it was lost.")
    url = serializers.CharField(allow_null=True)
    seconds = serializers.FloatField()
    codec = serializers.CharField(help_text="`h264`, `hevc`, `mjpeg` or `mpeg4`.")
    bytes = serializers.IntegerField()
    is_playable = serializers.BooleanField(
        help_text="Every browser plays it; if not, `POST events/{id}/clip/convert`."
    )


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
    model = serializers.CharField(
        allow_null=True, help_text="Version of the model that decided: `name@hash`."
    )
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    is_open = serializers.BooleanField()
    review = serializers.ChoiceField(choices=Event.Review.choices)
    snapshot_url = serializers.CharField(allow_null=True)
    face_url = serializers.CharField(allow_null=True)
    clip = ClipSerializer(allow_null=True)


class ReviewInput(serializers.Serializer):
    review = serializers.ChoiceField(choices=Event.Review.choices)


class RecordingFilter(serializers.Serializer):
    collection = serializers.UUIDField(required=False)


class RecordingInput(serializers.Serializer):
    """A recording that waits for its video."""

    collection = serializers.UUIDField(
        required=False, help_text="Optional if the caller sees only one."
    )
    camera = serializers.UUIDField(
        required=False, allow_null=True, help_text="Its events are filed under this camera."
    )
    name = serializers.CharField(
        max_length=200, required=False, default="recording", help_text="For people."
    )
    size = serializers.IntegerField(min_value=1, help_text="Of the file, in bytes.")
    recorded_at = serializers.DateTimeField(help_text="Time of the first frame.")
    min_face_px = serializers.IntegerField(min_value=20, max_value=1000, required=False, default=40)
    is_kept = serializers.BooleanField(
        required=False, default=False, help_text="Keep the video for RECORDINGS_KEPT_DAYS."
    )


class RecordingSerializer(serializers.Serializer):
    """A video that is analysed as if it were seen live."""

    id = serializers.UUIDField()
    collection = serializers.UUIDField()
    camera = NamedSerializer(allow_null=True)
    name = serializers.CharField()
    recorded_at = serializers.DateTimeField()
    min_face_px = serializers.IntegerField()
    is_kept = serializers.BooleanField()
    state = serializers.ChoiceField(choices=Recording.State.choices)
    size = serializers.IntegerField(allow_null=True, help_text="While its video is there.")
    received = serializers.IntegerField(allow_null=True)
    events = serializers.IntegerField(help_text="Visits that were found so far.")
    job = JobSerializer(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
