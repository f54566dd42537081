from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "recognition.web"
    verbose_name = "Web"
