from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "recognition.notices"
    verbose_name = "Notices"
