"""A program for `test_crash`: enrols pictures of one person one by one, tells each, and never ends.

Arguments: the person's id, and how the pictures are numbered.
"""

from __future__ import annotations

import os
import sys
from itertools import count


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "facerec_site.settings_test"
    import django

    django.setup()

    from recognition.engine import use_engine
    from recognition.events.services.events import event_delete
    from recognition.people.models import Person
    from recognition.people.services.enrolment import images_enrol
    from recognition.web.uploads import Upload
    from tests.factories import ACTOR, make_event
    from tests.fakes import FakeEngine, photo

    use_engine(FakeEngine())
    person = Person.objects.get(pk=sys.argv[1])
    for turn in count(int(sys.argv[2])):
        # A comment after the end of a JPEG makes it another file with the same picture.
        uploads = [Upload("", photo(1, looks=turn) + b"%d" % turn)]
        (outcome,) = images_enrol(person=person, uploads=uploads, source="api", actor=ACTOR)
        assert outcome.image is not None, outcome.message
        event_delete(event=make_event(person=person), actor=ACTOR)
        print(outcome.image.pk, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
