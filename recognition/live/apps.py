from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "recognition.live"
    verbose_name = "Live"
