"""Jobs in the OpenAPI document. The answers themselves are built by `recognition.jobs.payloads`."""

from __future__ import annotations

from rest_framework import serializers

from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job

_KINDS = list(KINDS)


class JobFilter(serializers.Serializer):
    kind = serializers.ChoiceField(choices=_KINDS, required=False)
    state = serializers.ChoiceField(choices=Job.State.choices, required=False)
    collection = serializers.UUIDField(required=False)


class JobErrorSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="For programs; stable.")
    message = serializers.CharField(help_text="For people; may change.")


class JobSerializer(serializers.Serializer):
    """Work that takes longer than a request. Read it until its state is done, failed or
    cancelled."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=_KINDS)
    title = serializers.CharField()
    collection = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=Job.State.choices)
    progress = serializers.FloatField(help_text="From 0 to 1.")
    message = serializers.CharField(help_text="What the job is doing, or why it failed.")
    result = serializers.DictField(allow_null=True, help_text="Null unless the job is done.")
    error = JobErrorSerializer(allow_null=True, help_text="Null unless the job failed.")
    cancel_requested = serializers.BooleanField(help_text="If true, it stops at its next step.")
    attempts = serializers.IntegerField(
        help_text="Attempts so far, including those of workers that died."
    )
    max_attempts = serializers.IntegerField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    run_after = serializers.DateTimeField(help_text="The job does not start earlier.")
    started_at = serializers.DateTimeField(allow_null=True, help_text="Start of the last attempt.")
    ended_at = serializers.DateTimeField(allow_null=True)


class JobDetailSerializer(JobSerializer):
    parameters = serializers.DictField()
    log = serializers.CharField(help_text="The newest lines of the log.")
