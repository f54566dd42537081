from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "recognition.events"
    verbose_name = "Events"
