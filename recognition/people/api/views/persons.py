"""People and their images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.people import selectors
from recognition.people.api.outcomes import enrol_answer
from recognition.people.api.serializers.enrolment import WhoInput
from recognition.people.api.serializers.persons import (
    EnrolAnswerSerializer,
    EnrolInput,
    EnrolOptions,
    EraseAnswerSerializer,
    ImageFilter,
    ImageSerializer,
    LookalikeInput,
    MergeInput,
    PersonFilter,
    PersonInput,
    PersonSerializer,
    PersonUpdate,
)
from recognition.people.models import Person
from recognition.people.selectors import collection_or_only
from recognition.people.services import enrolment, lookalikes, persons
from recognition.people.services.face_choice import ONLY, FaceChoice
from recognition.people.services.tables import people_table
from recognition.web.api.base import ApiView, PictureView
from recognition.web.api.files import PictureVersion, face_file
from recognition.web.api.idempotency import Answer, answer_once
from recognition.web.api.schema import (
    FOR_PICTURES,
    IDEMPOTENCY_KEY,
    WITH_BODY,
    operation,
    picture_request,
)
from recognition.web.boundaries import CheckedFields
from recognition.web.errors import ServiceError


class PersonsView(ApiView):
    @operation(
        "persons_list",
        "List people",
        scope=Scope.IDENTIFY,
        parameters=[PersonFilter],
        answer=PersonSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request) -> Response:
        filters = self.read_query(PersonFilter)
        if "collection" in filters:
            filters["collection"] = selectors.collection_by_id(self.access, filters["collection"])
        return self.paged(selectors.persons_list(self.access, **filters), PersonSerializer)

    @operation(
        "persons_create",
        "Add a person",
        scope=Scope.ENROL,
        request=PersonInput,
        parameters=[IDEMPOTENCY_KEY],
        answer=PersonSerializer,
        status=201,
        errors=(404, 409, *WITH_BODY),
        about="Add images afterwards with POST persons/{id}/images.",
        ignores_own=True,
    )
    def post(self, request: Request) -> Response:
        values = self.read(PersonInput)
        content = [json.dumps(values, sort_keys=True, default=str).encode()]
        collection = collection_or_only(self.access, values.pop("collection", None))

        def create() -> Answer:
            person = persons.person_create(collection=collection, actor=self.actor, **values)
            return Answer(status.HTTP_201_CREATED, PersonSerializer(person).data, person.pk)

        return answer_once(request, create, content=content, atomic=True)


class PersonsTableView(ApiView):
    @operation(
        "persons_table",
        "Get all people as CSV, with the same filters",
        scope=Scope.IDENTIFY,
        parameters=[PersonFilter],
        answer={(200, "text/csv"): OpenApiTypes.BINARY},
        errors=(404,),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        filters = self.read_query(PersonFilter)
        if "collection" in filters:
            filters["collection"] = selectors.collection_by_id(self.access, filters["collection"])
        people = selectors.persons_list(self.access, **filters)
        return people_table(people, self.actor)


class PersonView(ApiView):
    @operation(
        "persons_read",
        "Read a person",
        scope=Scope.IDENTIFY,
        answer=PersonSerializer,
        errors=(404,),
    )
    def get(self, request: Request, person_id: UUID) -> Response:
        return Response(PersonSerializer(selectors.person_by_id(self.access, person_id)).data)

    @operation(
        "persons_update",
        "Change a person",
        scope=Scope.ENROL,
        request=PersonUpdate(partial=True),
        answer=PersonSerializer,
        errors=(404, 409, *WITH_BODY),
        ignores_own=True,
    )
    def patch(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        changes = self.read(PersonUpdate, partial=True)
        if changes.pop("collection", person.collection_id) != person.collection_id:
            message = "A person stays in the collection that they were added to."
            raise ServiceError("different_collections", message, status=409)
        person = persons.person_update(person=person, actor=self.actor, **changes)
        return Response(PersonSerializer(person).data)

    @operation(
        "persons_delete",
        "Erase a person (the same as POST erase)",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, person_id: UUID) -> Response:
        persons.person_erase(
            person=selectors.person_by_id(self.access, person_id), actor=self.actor
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class PersonMergeView(ApiView):
    @operation(
        "persons_merge",
        "Merge another person into this one",
        scope=Scope.ENROL,
        request=MergeInput,
        answer=PersonSerializer,
        errors=(404, 409, *WITH_BODY),
        about="Images, templates and events move to this person. Then the other one is deleted.",
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        into = selectors.person_by_id(self.access, person_id)
        other = selectors.person_by_id(self.access, self.read(MergeInput)["person"])
        merged = persons.person_merge(into=into, person=other, actor=self.actor)
        return Response(PersonSerializer(merged).data)


class LookalikesView(ApiView):
    @operation(
        "persons_lookalikes_list",
        "List different people who look like a person",
        scope=Scope.IDENTIFY,
        answer=PersonSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        others = Person.objects.filter(pk__in=selectors.lookalike_ids(person.pk))
        return self.paged(others, PersonSerializer)

    @operation(
        "persons_lookalikes_add",
        "Record that two people who look alike are different people",
        scope=Scope.ENROL,
        request=LookalikeInput,
        answer=PersonSerializer,
        status=201,
        errors=(404, 409, *WITH_BODY),
        about="For twins. Enrolment refuses a photo that is more similar to another person than to "
        "its own, unless both are recorded as different people. They can then no longer be merged. "
        "Recognition still decides by similarity: if both are too similar to a face, the decision "
        "is `ambiguous`.",
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        other = selectors.person_by_id(self.access, self.read(LookalikeInput)["person"])
        lookalikes.lookalike_add(person=person, other=other, actor=self.actor)
        return Response(PersonSerializer(other).data, status=status.HTTP_201_CREATED)


class LookalikeView(ApiView):
    @operation(
        "persons_lookalikes_remove",
        "Take back that two people are different people",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, person_id: UUID, other_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        other = selectors.person_by_id(self.access, other_id)
        lookalikes.lookalike_remove(person=person, other=other, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PersonEraseView(ApiView):
    @operation(
        "persons_erase",
        "Erase everything about a person",
        scope=Scope.ENROL,
        request=None,
        answer=EraseAnswerSerializer,
        errors=(404,),
        about="Erases rows, files, templates, index entries and pictures of the person's events.",
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        return Response({"erased": persons.person_erase(person=person, actor=self.actor)})


class PersonImagesView(PictureView):
    @operation(
        "persons_images_list",
        "List a person's images",
        scope=Scope.IDENTIFY,
        answer=ImageSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        return self.paged(selectors.images_list(self.access, person=person), ImageSerializer)

    @operation(
        "persons_images_enrol",
        "Enrol images of a person",
        scope=Scope.ENROL,
        request=picture_request(EnrolInput),
        parameters=[EnrolOptions, IDEMPOTENCY_KEY],
        answer=EnrolAnswerSerializer,
        status=201,
        errors=(404, 409, 507, *FOR_PICTURES),
        about="Each picture has its own outcome. The answer is 201 if at least one was accepted. "
        "Otherwise it is 422 with the outcomes in `error.details`, and nothing is stored.",
    )
    def post(self, request: Request, person_id: UUID) -> Response:
        person = selectors.person_by_id(self.access, person_id)
        values = self.read(EnrolInput)
        single = [values["image"]] if "image" in values else []
        uploads = [*values.get("images", []), *single]
        choice = values.get("face", ONLY)
        content = [part for upload in uploads for part in (upload.name.encode(), upload.data)]
        content.append(repr(choice).encode())
        return answer_once(request, lambda: self._enrol(person, uploads, choice), content=content)

    def _enrol(
        self, person: Person, uploads: Sequence[enrolment.Upload], choice: FaceChoice
    ) -> Answer:
        outcomes = enrolment.images_enrol(
            person=person, uploads=uploads, source="api", actor=self.actor, choice=choice
        )
        return Answer(status.HTTP_201_CREATED, enrol_answer(outcomes), person.pk)


class ImagesView(ApiView):
    @operation(
        "images_list",
        "List images",
        scope=Scope.IDENTIFY,
        parameters=[ImageFilter],
        answer=ImageSerializer(many=True),
        errors=(404,),
    )
    def get(self, request: Request) -> Response:
        filters: CheckedFields = self.read_query(ImageFilter)
        if "collection" in filters:
            filters["collection"] = selectors.collection_by_id(self.access, filters["collection"])
        if "person" in filters:
            filters["person"] = selectors.person_by_id(self.access, filters["person"])
        return self.paged(selectors.images_list(self.access, **filters), ImageSerializer)


class ImageView(ApiView):
    @operation(
        "images_read",
        "Read an image's data",
        scope=Scope.IDENTIFY,
        answer=ImageSerializer,
        errors=(404,),
    )
    def get(self, request: Request, image_id: UUID) -> Response:
        return Response(ImageSerializer(selectors.image_by_id(self.access, image_id)).data)

    @operation(
        "images_move",
        "Move an image to another person",
        scope=Scope.ENROL,
        request=WhoInput,
        answer=ImageSerializer,
        errors=(404, 409, *WITH_BODY),
        about="To an enrolled person (`person`) or a new one (`name`). Its templates move with it.",
    )
    def patch(self, request: Request, image_id: UUID) -> Response:
        image = selectors.image_by_id(self.access, image_id)
        who = self.read(WhoInput)
        moved = enrolment.image_move(
            image=image,
            person=selectors.person_by_id(self.access, who["person"]) if "person" in who else None,
            name=who.get("name", ""),
            actor=self.actor,
        )
        return Response(ImageSerializer(moved).data)

    @operation(
        "images_delete",
        "Delete an image with its file and templates",
        scope=Scope.ENROL,
        answer=None,
        status=204,
        errors=(404,),
    )
    def delete(self, request: Request, image_id: UUID) -> Response:
        image = selectors.image_by_id(self.access, image_id)
        enrolment.image_delete(image=image, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ImageFileView(ApiView):
    @operation(
        "images_file",
        "Get the face as a JPEG",
        scope=Scope.IDENTIFY,
        parameters=[PictureVersion],
        answer={(200, "image/jpeg"): OpenApiTypes.BINARY},
        errors=(404,),
    )
    def get(self, request: Request, image_id: UUID) -> HttpResponse:
        image = selectors.image_by_id(self.access, image_id)
        return face_file(
            image.file,
            owner=image,
            collection_id=image.collection_id,
            actor=self.actor,
        )
