from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "recognition.cameras"
    verbose_name = "Cameras"
