"""detect, verify, identify and embed. They answer for a picture and do not store it."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Scope
from recognition.people import selectors
from recognition.people.api.serializers.faces import (
    DetectAnswerSerializer,
    DetectInput,
    DetectOptions,
    EmbedAnswerSerializer,
    EmbedInput,
    EmbedOptions,
    IdentifyAnswerSerializer,
    IdentifyInput,
    IdentifyOptions,
    VerifyAnswerSerializer,
    VerifyInput,
    VerifyOptions,
)
from recognition.people.model_versions import ensure_model_version
from recognition.people.payloads import face_payload, identified_payload, verify_payload
from recognition.people.selectors import collection_or_only
from recognition.people.services import identification
from recognition.people.services.face_choice import ONLY
from recognition.web.api.base import PictureView
from recognition.web.api.schema import FOR_PICTURES, operation, picture_request


class DetectView(PictureView):
    @operation(
        "detect",
        "Find the faces in a picture",
        scope=Scope.DETECT,
        request=picture_request(DetectInput),
        parameters=[DetectOptions],
        answer=DetectAnswerSerializer,
        errors=FOR_PICTURES,
    )
    def post(self, request: Request) -> Response:
        options = self.read(DetectInput)
        picture = options.pop("image")
        result = identification.detect(data=picture.data, actor=self.actor, **options)
        faces = [face_payload(face) for face in result.faces]
        answer = {"size": list(result.size), "faces": faces, "timing_ms": result.timing_ms}
        return Response(answer)


class IdentifyView(PictureView):
    @operation(
        "identify",
        "Name every face in a picture",
        scope=Scope.IDENTIFY,
        request=picture_request(IdentifyInput),
        parameters=[IdentifyOptions],
        answer=IdentifyAnswerSerializer,
        errors=(404, 409, *FOR_PICTURES),
        about="`decision` is `match`, `unknown` or `ambiguous` (two people are too similar to the "
        "face). Candidates are people in the order of the collection's decider, each with the "
        "image that matched. People whose name was rejected for this face are left out.",
    )
    def post(self, request: Request) -> Response:
        options = self.read(IdentifyInput)
        picture = options.pop("image")
        collection = collection_or_only(self.access, options.pop("collection", None))
        if "model" in options:
            model = selectors.model_named(collection, options.pop("model"))
            collection = collection.seen_by(model)
        result = identification.identify(
            collection=collection, data=picture.data, actor=self.actor, **options
        )
        answer = {
            "size": list(result.size),
            "collection": collection.pk,
            "model": result.model,
            "threshold": round(result.threshold, 4),
            "faces": [identified_payload(found) for found in result.faces],
            "timing_ms": result.timing_ms,
        }
        return Response(answer)


class EmbedView(PictureView):
    @operation(
        "embed",
        "Get the embedding of every face in a picture",
        scope=Scope.IDENTIFY,
        request=picture_request(EmbedInput),
        parameters=[EmbedOptions],
        answer=EmbedAnswerSerializer,
        errors=FOR_PICTURES,
    )
    def post(self, request: Request) -> Response:
        options = self.read(EmbedInput)
        picture = options.pop("image")
        embedder = options.get("embedder") or identification.default_embedder()
        faces = identification.embed(data=picture.data, actor=self.actor, embedder=embedder)
        embedded = [
            {**face_payload(face), "embedding": face.embedding.tolist()}
            for face in faces
            if face.embedding is not None
        ]
        dimension = len(embedded[0]["embedding"]) if embedded else None
        model = ensure_model_version(embedder).version
        return Response({"model": model, "dimension": dimension, "faces": embedded})


class VerifyView(PictureView):
    @operation(
        "verify",
        "Compare a picture with another one, or with a person",
        scope=Scope.VERIFY,
        request=picture_request(VerifyInput),
        parameters=[VerifyOptions],
        answer=VerifyAnswerSerializer,
        errors=(404, 409, *FOR_PICTURES),
        about="Each picture must show one person, or `face` must say which face to use. If an "
        "event with a similar face was rejected for this person, the face does not match, whatever "
        "its similarity.",
    )
    def post(self, request: Request) -> Response:
        options = self.read(VerifyInput)
        data, choice = options.pop("image").data, options.pop("face", ONLY)
        if "person" in options:
            person = selectors.person_by_id(self.access, options.pop("person"))
            result = identification.verify_person(
                person=person, data=data, actor=self.actor, choice=choice, **options
            )
        else:
            other, other_choice = options.pop("other_image").data, options.pop("other_face", ONLY)
            result = identification.verify(
                data_a=data, data_b=other, actor=self.actor, choice_a=choice,
                choice_b=other_choice, **options,
            )  # fmt: skip
        return Response(verify_payload(result))
