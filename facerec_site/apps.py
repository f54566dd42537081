from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "facerec_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from facerec_site import checks  # noqa: F401
