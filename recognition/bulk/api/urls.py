"""Addresses below /api/v1/; none has a slash at its end."""

from __future__ import annotations

from django.urls import path

from recognition.bulk.api import exports, imports

_IMPORT = "imports/<uuid:import_id>"
_ITEM = f"{_IMPORT}/items/<int:number>"

urlpatterns = [
    path("imports", imports.ImportsView.as_view(), name="imports"),
    path(_IMPORT, imports.ImportView.as_view(), name="import"),
    path(f"{_IMPORT}/pieces", imports.ImportPiecesView.as_view(), name="import-pieces"),
    path(f"{_IMPORT}/finish", imports.ImportFinishView.as_view(), name="import-finish"),
    path(f"{_IMPORT}/items", imports.ImportItemsView.as_view(), name="import-items"),
    path(f"{_IMPORT}/report.csv", imports.ImportReportView.as_view(), name="import-report"),
    path(f"{_ITEM}/enrol", imports.ImportItemEnrolView.as_view(), name="import-item-enrol"),
    path(f"{_ITEM}/file", imports.ImportItemFileView.as_view(), name="import-item-file"),
    path("exports", exports.ExportsView.as_view(), name="exports"),
    path("exports/<uuid:export_id>", exports.ExportView.as_view(), name="export"),
    path("exports/<uuid:export_id>/file", exports.ExportFileView.as_view(), name="export-file"),
]
