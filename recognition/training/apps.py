from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "recognition.training"
    verbose_name = "Training"
