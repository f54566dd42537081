from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class SiteConfig(AppConfig):
    name = "facerec_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from facerec_site import checks  # noqa: F401
        from facerec_site.file_names import accept_any_file_name
        from facerec_site.old_database import refuse_old_database

        accept_any_file_name()
        pre_migrate.connect(refuse_old_database)
