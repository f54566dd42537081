"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.people.api.views import (
    calibration,
    collections,
    enrolment,
    keys,
    model_changes,
    models,
    persons,
    recognise,
)

urlpatterns = [
    path("detect", recognise.DetectView.as_view(), name="detect"),
    path("verify", recognise.VerifyView.as_view(), name="verify"),
    path("identify", recognise.IdentifyView.as_view(), name="identify"),
    path("embed", recognise.EmbedView.as_view(), name="embed"),
    path("enrol", enrolment.FaceEnrolView.as_view(), name="enrol"),
    path("collections", collections.CollectionsView.as_view(), name="collections"),
    path(
        "collections/<uuid:collection_id>",
        collections.CollectionView.as_view(),
        name="collection",
    ),
    path(
        "collections/<uuid:collection_id>/calibrate",
        calibration.CalibrateView.as_view(),
        name="collection-calibrate",
    ),
    path(
        "collections/<uuid:collection_id>/calibration",
        calibration.CalibrationView.as_view(),
        name="collection-calibration",
    ),
    path(
        "collections/<uuid:collection_id>/calibration/det.svg",
        calibration.DetPictureView.as_view(),
        name="collection-det",
    ),
    path(
        "collections/<uuid:collection_id>/calibration/discard.svg",
        calibration.DiscardPictureView.as_view(),
        name="collection-discard",
    ),
    path(
        "collections/<uuid:collection_id>/decider",
        calibration.DeciderView.as_view(),
        name="collection-decider",
    ),
    path(
        "collections/<uuid:collection_id>/model-change",
        model_changes.ModelChangeView.as_view(),
        name="collection-model-change",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/switch",
        model_changes.SwitchModelView.as_view(),
        name="collection-model-change-switch",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/roll-back",
        model_changes.RollBackModelView.as_view(),
        name="collection-model-change-roll-back",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/let-go",
        model_changes.LetGoModelView.as_view(),
        name="collection-model-change-let-go",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/cancel",
        model_changes.CancelModelView.as_view(),
        name="collection-model-change-cancel",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/det.svg",
        model_changes.ModelChangeDetView.as_view(),
        name="collection-model-change-det",
    ),
    path(
        "collections/<uuid:collection_id>/model-change/scores.svg",
        model_changes.ModelChangeScoresView.as_view(),
        name="collection-model-change-scores",
    ),
    path(
        "collections/<uuid:collection_id>/take-up-model",
        calibration.TakeUpModelView.as_view(),
        name="collection-take-up-model",
    ),
    path(
        "collections/<uuid:collection_id>/train",
        calibration.TrainView.as_view(),
        name="collection-train",
    ),
    path("persons", persons.PersonsView.as_view(), name="persons"),
    path("persons.csv", persons.PersonsTableView.as_view(), name="persons-table"),
    path("persons/<uuid:person_id>", persons.PersonView.as_view(), name="person"),
    path(
        "persons/<uuid:person_id>/images",
        persons.PersonImagesView.as_view(),
        name="person-images",
    ),
    path("persons/<uuid:person_id>/merge", persons.PersonMergeView.as_view(), name="person-merge"),
    path(
        "persons/<uuid:person_id>/lookalikes",
        persons.LookalikesView.as_view(),
        name="person-lookalikes",
    ),
    path(
        "persons/<uuid:person_id>/lookalikes/<uuid:other_id>",
        persons.LookalikeView.as_view(),
        name="person-lookalike",
    ),
    path("persons/<uuid:person_id>/erase", persons.PersonEraseView.as_view(), name="person-erase"),
    path("images", persons.ImagesView.as_view(), name="images"),
    path("images/<uuid:image_id>", persons.ImageView.as_view(), name="image"),
    path("images/<uuid:image_id>/file", persons.ImageFileView.as_view(), name="image-file"),
    path("api-keys", keys.KeysView.as_view(), name="api-keys"),
    path("api-keys/<uuid:key_id>", keys.KeyView.as_view(), name="api-key"),
    path("models", models.ModelsView.as_view(), name="models"),
    path("models/inspect", models.InspectModelView.as_view(), name="models-inspect"),
    path("models/<int:model_id>", models.ModelView.as_view(), name="model"),
    path(
        "models/<int:model_id>/evaluate",
        models.EvaluateModelView.as_view(),
        name="model-evaluate",
    ),
    path(
        "models/<int:model_id>/evaluated-curve",
        models.EvaluatedCurveView.as_view(),
        name="model-evaluated-curve",
    ),
    path("me", keys.MeView.as_view(), name="me"),
]
