"""Example requests and answers of each operation. The docs page shows them, and fills its forms
with them."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

from recognition.web.boundaries import JsonDict

_PICTURE = "/9j/4AAQSkZJRgABAQAAAQABAAD… (base64 of the file)"
_PERSON = "0198f0c2-5d1e-7c3a-9a51-3d0f6f0d2b11"
_IMAGE = "0198f0c2-7a40-7b1d-8f2e-97ff6f05c562"
_COLLECTION = "0198f0c1-0b7a-7e41-8d0c-5a1f0e9b7c20"
_FACE = {
    "box": [214.0, 96.5, 131.2, 164.8],
    "landmarks": [[246.1, 158.7], [308.9, 157.2], [277.4, 195.0], [252.3, 224.8], [303.0, 223.1]],
    "score": 0.9991,
    "turned": 0,
    "quality": {
        "score": 0.93,
        "size_px": 131.2,
        "detail_px": 38.4,
        "sharpness": 0.81,
        "noise": 0.0132,
        "blocking": 0.0351,
        "brightness": 121.4,
        "yaw": -6.2,
        "pitch": 3.1,
        "roll": 1.4,
        "detection": 0.9991,
        "covered": 0.0123,
        "reasons": [],
    },
}
_WHO = {"id": _PERSON, "name": "Ann Example", "labels": ["staff"], "external_id": "hr-17"}

_BODIES: dict[str, JsonDict] = {
    "detect": {"image": _PICTURE, "min_face_px": 40},
    "identify": {"image": _PICTURE, "max_candidates": 5},
    "embed": {"image": _PICTURE},
    "verify": {"image": _PICTURE, "other_image": _PICTURE},
    "persons_images_enrol": {"images": [_PICTURE, _PICTURE]},
    "persons_create": {"name": "Ann Example", "external_id": "hr-17", "labels": ["staff"]},
    "persons_update": {"labels": ["staff", "vip"], "is_active": True},
    "persons_merge": {"person": _PERSON},
    "collections_create": {"name": "Front door"},
    "models_evaluate": {"collection": _COLLECTION},
    "training_runs_start": {"task": "train", "name": "ours", "collection": _COLLECTION},
    "training_runs_cancel": {"keep_best": True},
    "collections_update": {"target_false_match_rate": 0.0001},
    "imports_create": {"collection": _COLLECTION, "name": "staff.zip", "size": 1048576},
    "exports_create": {"collection": _COLLECTION, "has_originals": False},
    "cameras_create": {"name": "Desk", "kind": "browser"},
    "cameras_update": {"is_enabled": False},
    "cameras_test": {
        "kind": "rtsp",
        "address": "rtsp://192.168.1.20/stream1",
        "username": "viewer",
        "password": "…",
    },
    "events_review": {"review": "confirmed"},
    "events_enrol": {"name": "Ann Example"},
    "enrol": {"image": _PICTURE, "name": "Ann Example", "face": "212,96,140,172"},
    "images_move": {"name": "Ann Example"},
    "webhooks_create": {
        "url": "https://example.com/facerec",
        "kinds": ["event.decided", "person.erased"],
    },
    "webhooks_update": {"is_enabled": False},
    "keys_create": {"name": "Door controller", "scopes": ["identify", "events"]},
}
_ANSWERS: dict[str, JsonDict] = {
    "identify": {
        "size": [640, 480],
        "collection": _COLLECTION,
        "model": "mobilefacenet",
        "threshold": 0.4011,
        "faces": [
            _FACE
            | {
                "decision": "match",
                "person": _WHO,
                "similarity": 0.7312,
                "threshold": 0.4011,
                "false_match_rate": 1.3e-9,
                "image": _IMAGE,
                "candidates": [{"person": _WHO, "similarity": 0.7312, "image": _IMAGE}],
            }
        ],
        "timing_ms": {"decode": 4.1, "queue": 0.2, "detect": 17.8, "embed": 5.3, "total": 28.0},
    },
    "persons_images_enrol": {
        "accepted": 1,
        "refused": 1,
        "outcomes": [
            {
                "index": 0,
                "name": "ann.jpg",
                "accepted": True,
                "code": "accepted",
                "message": "The face is enrolled.",
                "faces_found": 1,
                "turned": 0,
                "quality": _FACE["quality"],
                "image": _IMAGE,
            },
            {
                "index": 1,
                "name": "wall.jpg",
                "accepted": False,
                "code": "no_face",
                "message": "No face was found in the picture.",
                "faces_found": 0,
                "turned": 0,
                "quality": None,
                "image": None,
            },
        ],
    },
}


def examples_of(operation_id: str, status: int) -> list[OpenApiExample]:
    found = []
    if operation_id in _BODIES:
        value = _BODIES[operation_id]
        example = OpenApiExample(
            "A request", value=value, request_only=True, media_type="application/json"
        )
        found.append(example)
    if operation_id in _ANSWERS:
        example = OpenApiExample(
            "An answer",
            value=_ANSWERS[operation_id],
            response_only=True,
            status_codes=[str(status)],
        )
        found.append(example)
    return found
