"""Enrol one face of a picture."""

from __future__ import annotations

import json

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.people import selectors
from recognition.people.api.outcomes import enrolled_answer
from recognition.people.api.serializers.enrolment import (
    EnrolledFaceSerializer,
    FaceEnrolInput,
    FaceEnrolOptions,
)
from recognition.people.selectors import collection_or_only
from recognition.people.services.enrolment import face_enrol
from recognition.people.services.face_choice import ONLY
from recognition.web.api.base import PictureView
from recognition.web.api.idempotency import Answer, answer_once
from recognition.web.api.schema import (
    FOR_PICTURES,
    IDEMPOTENCY_KEY,
    operation,
    picture_request,
)


class FaceEnrolView(PictureView):
    @operation(
        "enrol",
        "Enrol one face of a picture",
        scope=Scope.ENROL,
        request=picture_request(FaceEnrolInput),
        parameters=[FaceEnrolOptions, IDEMPOTENCY_KEY],
        answer=EnrolledFaceSerializer,
        status=201,
        errors=(404, 409, 507, *FOR_PICTURES),
        about="For a new person (`name`) or an enrolled one (`person`). If the face is refused, "
        "no person is added.",
    )
    def post(self, request: Request) -> Response:
        values = self.read(FaceEnrolInput)
        upload = values.pop("image")
        content = [upload.data, json.dumps(values, sort_keys=True, default=str).encode()]
        person = (
            selectors.person_by_id(self.access, values["person"]) if "person" in values else None
        )
        collection = (
            person.collection
            if person and "collection" not in values
            else collection_or_only(self.access, values.get("collection"))
        )

        def enrol() -> Answer:
            outcome = face_enrol(
                collection=collection,
                person=person,
                name=values.get("name", ""),
                upload=upload,
                choice=values.get("face", ONLY),
                source="api",
                actor=self.actor,
            )
            body = enrolled_answer(person, outcome)
            return Answer(status.HTTP_201_CREATED, body, body["person"]["id"])

        return answer_once(request, enrol, content=content)
