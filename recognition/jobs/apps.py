from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "recognition.jobs"
    verbose_name = "Jobs"
