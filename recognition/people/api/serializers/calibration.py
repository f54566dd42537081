"""Error rates measured on a collection's own people, and its trained SVM."""

from __future__ import annotations

from dataclasses import asdict

from rest_framework import serializers

from recognition.people.services.calibration import CalibrationState, SimilarPeople
from recognition.web.boundaries import JsonDict

THEMES = ("light", "dark")


class OperatingPointSerializer(serializers.Serializer):
    """A rate of false matches, its threshold, and the rate of missed matches at it."""

    fmr = serializers.FloatField(
        help_text="False-match rate: the part of comparisons of strangers that match."
    )
    threshold = serializers.FloatField()
    fnmr = serializers.FloatField(
        allow_null=True,
        help_text="False-non-match rate: the part of pairs of pictures of one person that do not "
        "match.",
    )
    fnmr_interval = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="95 % interval of `fnmr`, by a bootstrap over people.",
    )
    false_match_count = serializers.IntegerField(
        help_text="Pairs of people that match at this threshold."
    )
    has_enough_pairs = serializers.BooleanField(
        help_text="True if `false_match_count` is 30 or more, which is enough to measure the rate. "
        "If false, the threshold follows from the model's curve."
    )


class DetPointSerializer(serializers.Serializer):
    threshold = serializers.FloatField()
    fmr = serializers.FloatField()
    fnmr = serializers.FloatField()


class DiscardPointSerializer(serializers.Serializer):
    """Pairs of pictures of one person, without those of the worst quality."""

    discarded = serializers.FloatField(help_text="The discarded part of the pairs.")
    fnmr = serializers.FloatField(help_text="The part of the others that do not match.")


class DeciderTrialSerializer(serializers.Serializer):
    """A way to rank people, tried on pictures that were held back, with a third of the people as
    strangers. Deviations are over random draws."""

    name = serializers.CharField(help_text="A `decider` of collections.")
    missed = serializers.FloatField(
        help_text="Part of the pictures not named rightly if 1 % of strangers are named."
    )
    missed_deviation = serializers.FloatField()
    gain = serializers.FloatField(help_text="How much less that is than with `nearest`.")
    gain_deviation = serializers.FloatField()
    is_better = serializers.BooleanField(help_text="True if the gain is larger than its deviation.")


class SimilarPersonSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    external_id = serializers.CharField(allow_null=True)


class SimilarPairSerializer(serializers.Serializer):
    """Two people who would match each other. They may be one person who is enrolled twice."""

    persons = SimilarPersonSerializer(many=True)
    similarity = serializers.FloatField()
    is_left_out = serializers.BooleanField(help_text="If true, the curve does not include it.")


class CalibrationSerializer(serializers.Serializer):
    """How similar the people of a collection are to themselves and to each other."""

    measured_at = serializers.DateTimeField()
    model = serializers.CharField()
    is_current = serializers.BooleanField(
        help_text="True if the gallery has not changed much since."
    )
    is_in_force = serializers.BooleanField(help_text="The collection's `uses_own_curve`.")
    persons = serializers.IntegerField(
        help_text="People who were compared. In a large gallery this is a part of all."
    )
    templates = serializers.IntegerField(help_text="Templates that were compared.")
    persons_enrolled = serializers.IntegerField()
    templates_enrolled = serializers.IntegerField()
    impostor_pairs = serializers.IntegerField(help_text="Pairs of pictures of two people.")
    genuine_pairs = serializers.IntegerField(help_text="Pairs of pictures of one person.")
    measured_until = serializers.FloatField(
        help_text="Above this similarity the rates follow the model's curve, because there are too "
        "few pairs to measure them."
    )
    own_threshold = serializers.FloatField(
        help_text="Threshold for the present gallery, from this measurement."
    )
    model_threshold = serializers.FloatField(
        allow_null=True, help_text="Threshold for the present gallery, from the model's curve."
    )
    eer = serializers.FloatField(allow_null=True, help_text="Equal error rate.")
    eer_threshold = serializers.FloatField(allow_null=True)
    points = OperatingPointSerializer(many=True)
    det = DetPointSerializer(
        many=True, help_text="Points of the DET curve; empty if nobody has two images."
    )
    discard = DiscardPointSerializer(
        many=True, help_text="Error against discard; empty if nobody has two images."
    )
    discard_fmr = serializers.FloatField(
        allow_null=True, help_text="`discard` is at the threshold of this false-match rate."
    )
    deciders = DeciderTrialSerializer(
        many=True, help_text="Empty if fewer than 60 people, or 30 with several images, are there."
    )
    similar_pairs = SimilarPairSerializer(
        many=True, help_text="The most similar ones of `similar_pairs_total`."
    )
    similar_pairs_total = serializers.IntegerField()


class ThemeInput(serializers.Serializer):
    theme = serializers.ChoiceField(choices=THEMES, default="light")


class TrainedDeciderSerializer(serializers.Serializer):
    """The state of the collection's SVM."""

    trained_at = serializers.DateTimeField(
        allow_null=True, help_text="Null if it was not trained yet."
    )
    people = serializers.IntegerField(help_text="People that it knows.")
    templates = serializers.IntegerField(help_text="Templates that it was trained on.")
    people_since = serializers.IntegerField(
        help_text="People who were enrolled later, so that it does not know them."
    )
    is_current = serializers.BooleanField(help_text="True if nothing has changed since.")


def calibration_payload(state: CalibrationState) -> JsonDict:
    figures = state.figures
    return {
        "measured_at": state.measured_at,
        "model": state.curve.model,
        "is_current": state.is_current,
        "is_in_force": state.is_in_force,
        "persons": figures["people"],
        "persons_enrolled": figures["people_total"],
        "templates_enrolled": figures["templates_total"],
        "measured_until": state.measured_until,
        "own_threshold": _rounded(state.own_threshold),
        "model_threshold": _rounded(state.model_threshold),
        "points": state.points,
        "det": [asdict(point) for point in state.det],
        "discard": figures["discard"],
        "discard_fmr": figures["discard_fmr"],
        "deciders": figures["deciders"],
        "similar_pairs": [_similar_pair(pair) for pair in state.similar_pairs],
        "templates": figures["templates"],
        "impostor_pairs": figures["impostor_pairs"],
        "genuine_pairs": figures["genuine_pairs"],
        "eer": figures["eer"],
        "eer_threshold": figures["eer_threshold"],
        "similar_pairs_total": figures["similar_pairs_total"],
    }


def _similar_pair(pair: SimilarPeople) -> JsonDict:
    persons = [
        {"id": person.pk, "name": person.name, "external_id": person.external_id}
        for person in (pair.first, pair.second)
    ]
    return {
        "persons": persons,
        "similarity": pair.similarity,
        "is_left_out": pair.is_left_out,
    }


def _rounded(threshold: float | None) -> float | None:
    return None if threshold is None else round(threshold, 4)
