"""A process that loads the only collection, and kills or stops itself before a step of writing."""

from __future__ import annotations

import os
import signal


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    import django

    django.setup()

    from django.conf import settings

    from recognition.people.index import Gallery, reading
    from recognition.people.index.snapshot_files import SnapshotFiles
    from recognition.people.models import Collection

    settings.GALLERY_SNAPSHOT_DIR = os.environ["GALLERY_SNAPSHOT_DIR"]
    reading.BLOCK_ROWS = 4
    lock, left = SnapshotFiles.lock, int(os.environ["AT"])

    def locked(self: SnapshotFiles, *args: int) -> object:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
        return lock(self, *args)

    SnapshotFiles.lock = locked  # type: ignore[method-assign,assignment]
    Gallery(Collection.objects.select_related("embedder").get()).follow()


if __name__ == "__main__":
    main()
