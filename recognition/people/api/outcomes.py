"""The answer to enrolment: the outcome of each picture, or an error if none was accepted."""

from __future__ import annotations

from collections.abc import Sequence

from recognition.people.api.serializers.persons import PersonSerializer
from recognition.people.models import Person
from recognition.people.payloads import quality_payload
from recognition.people.services.enrolment import ImageOutcome
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError
from recognition.web.payloads import EnrolPayload, OutcomePayload


def outcome_payload(outcome: ImageOutcome) -> OutcomePayload:
    return {
        "index": outcome.index,
        "name": outcome.name,
        "accepted": outcome.accepted,
        "code": outcome.code,
        "message": outcome.message,
        "faces_found": outcome.faces_found,
        "turned": outcome.image.crop_turn if outcome.image is not None else 0,
        "quality": quality_payload(outcome.quality),
        "image": str(outcome.image.pk) if outcome.image is not None else None,
    }


def enrol_answer(outcomes: Sequence[ImageOutcome]) -> EnrolPayload:
    """The body of the answer; ServiceError 422 if all pictures were refused."""
    payloads = [outcome_payload(outcome) for outcome in outcomes]
    accepted = sum(outcome.accepted for outcome in outcomes)
    if not accepted:
        raise _refusal(outcomes, payloads)
    refused = len(outcomes) - accepted
    return {"accepted": accepted, "refused": refused, "outcomes": payloads}


def enrolled_answer(person: Person | None, outcome: ImageOutcome) -> JsonDict:
    """The body of the answer for one face; ServiceError 422 if it was refused."""
    if outcome.image is None:
        raise _refusal([outcome], [outcome_payload(outcome)])
    owner = person or outcome.image.person
    return {"person": PersonSerializer(owner).data, "outcome": outcome_payload(outcome)}


def _refusal(outcomes: Sequence[ImageOutcome], payloads: list[OutcomePayload]) -> ServiceError:
    """The error if no picture was accepted. If all have the same code, the error has it, too."""
    codes = {outcome.code for outcome in outcomes}
    if len(codes) == 1:
        code, message = outcomes[0].code, outcomes[0].message
    else:
        code, message = "no_image_accepted", "None of the pictures was accepted."
    return ServiceError(code, message, status=422, outcomes=payloads)
