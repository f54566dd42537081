"""Sign-in with name and password. The role of a user decides Django's permissions."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model

from accounts.access import Role

_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMINISTRATOR: 2}


@dataclass(frozen=True, slots=True)
class Rights:
    """The lowest role that may view, add, change and delete rows of a model in the admin."""

    view: Role = Role.ADMINISTRATOR
    add: Role = Role.ADMINISTRATOR
    change: Role = Role.ADMINISTRATOR
    delete: Role = Role.ADMINISTRATOR


_OPERATORS = Rights(Role.VIEWER, Role.OPERATOR, Role.OPERATOR, Role.OPERATOR)
_READ_ONLY = Rights(view=Role.VIEWER)
_ADMINISTRATORS = Rights()

# All our models, by `app.model`. Only administrators may use a model that is missing here.
RIGHTS: dict[str, Rights] = {
    "people.person": _OPERATORS,
    "people.faceimage": _OPERATORS,
    "people.template": _READ_ONLY,
    "people.negative": _READ_ONLY,
    "people.lookalike": _READ_ONLY,
    "people.collection": _READ_ONLY,
    "people.modelversion": _READ_ONLY,
    "people.calibration": _READ_ONLY,
    "people.traineddecider": _READ_ONLY,
    "people.trainedperson": _ADMINISTRATORS,
    "people.gallerychange": _ADMINISTRATORS,
    "people.modelchange": _ADMINISTRATORS,
    "people.modelchangeloss": _ADMINISTRATORS,
    "people.galleryprocess": _ADMINISTRATORS,
    "people.loadedcandidate": _ADMINISTRATORS,
    "people.gallerysnapshot": _ADMINISTRATORS,
    "bulk.importrun": Rights(Role.OPERATOR, Role.OPERATOR, Role.OPERATOR, Role.OPERATOR),
    "bulk.importitem": Rights(view=Role.OPERATOR),
    "bulk.export": _ADMINISTRATORS,
    "bulk.archive": _ADMINISTRATORS,
    "bulk.piece": _ADMINISTRATORS,
    "events.event": _OPERATORS,
    "events.clip": _READ_ONLY,
    "events.eventvector": _ADMINISTRATORS,
    "events.recording": _OPERATORS,
    "training.trainingrun": _ADMINISTRATORS,
    "cameras.camera": _READ_ONLY,
    "cameras.stream": _READ_ONLY,
    "cameras.cameraminute": _READ_ONLY,
    "cameras.camerahost": _ADMINISTRATORS,
    "cameras.camerahub": _ADMINISTRATORS,
    "notices.webhook": _ADMINISTRATORS,
    "notices.delivery": _ADMINISTRATORS,
    "notices.attempt": _ADMINISTRATORS,
    "notices.receiver": _ADMINISTRATORS,
    "notices.notice": _ADMINISTRATORS,
    "web.idempotencyrecord": _ADMINISTRATORS,
    "jobs.job": _ADMINISTRATORS,
    "accounts.user": _ADMINISTRATORS,
    "accounts.apikey": _ADMINISTRATORS,
    "accounts.auditentry": _ADMINISTRATORS,
}


class RoleBackend(ModelBackend):
    """Permissions from `RIGHTS`. Django does not check them for administrators, who are
    superusers."""

    def get_user_permissions(self, user_obj: object, obj: Model | None = None) -> set[str]:
        return set()

    def get_group_permissions(self, user_obj: object, obj: Model | None = None) -> set[str]:
        return set()

    def has_perm(self, user_obj: object, perm: str, obj: Model | None = None) -> bool:
        app, _, codename = perm.partition(".")
        action, _, model = codename.partition("_")
        rights = RIGHTS.get(f"{app}.{model}", _ADMINISTRATORS)
        return _has_role(user_obj, getattr(rights, action, Role.ADMINISTRATOR))

    def has_module_perms(self, user_obj: object, app_label: str) -> bool:
        """True if the user may view a model of the app."""
        return any(
            _has_role(user_obj, rights.view)
            for name, rights in RIGHTS.items()
            if name.partition(".")[0] == app_label
        )


def _has_role(user: object, least: Role) -> bool:
    role = getattr(user, "role", None)
    return bool(getattr(user, "is_active", False)) and role in _RANK and _RANK[role] >= _RANK[least]
