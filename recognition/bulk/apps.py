from django.apps import AppConfig


class BulkConfig(AppConfig):
    name = "recognition.bulk"
    verbose_name = "Imports and exports"
