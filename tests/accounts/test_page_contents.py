"""What pages never show: markup that people typed, numbers of many digits, files by their path."""

from __future__ import annotations

import re

import pytest

from accounts.access import Role
from accounts.models import ApiKey, AuditEntry, User
from recognition.cameras.models import Camera
from recognition.events.models import Event
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, Person
from tests.accounts.test_every_address import ADMIN, PAGES, World, world  # noqa: F401
from tests.callers import Caller, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.only_on("SQLite"),
    pytest.mark.usefixtures("engine"),
]


def test_no_page_of_the_admin_shows_a_number_of_many_digits(world: World) -> None:  # noqa: F811
    """Such as 0.7123456789012345 for a quality. Input fields may have them."""
    Event.objects.update(quality=0.7123456789012345, similarity=0.8123456789012345)
    caller, wrong = signed_in(Role.ADMINISTRATOR), []
    for name in ADMIN:
        text = caller.get(world.address(name), follow=True).content.decode()
        shown = re.sub(r"<script.*?</script>|<svg.*?</svg>|<[^>]*>", " ", text, flags=re.S)
        wrong += [(name, number) for number in re.findall(r"\d\.\d{7,}", shown)]
    assert not wrong, "\n".join(map(str, wrong))


def test_markup_typed_by_people_is_shown_as_text(world: World) -> None:  # noqa: F811
    script = "<script>alert(1)</script>"
    texts = {"name": script}
    Collection.objects.update(description=script)
    Collection.objects.filter(pk=world.ids["collection"]).update(**texts)
    Person.objects.filter(pk=world.ids["person"]).update(**texts, labels=[script])
    Camera.objects.update(**texts, address=script, status_message=script)
    ApiKey.objects.filter(pk=world.ids["key"]).update(**texts)
    User.objects.filter(pk=world.ids["user"]).update(first_name=script, last_name=script)
    Job.objects.update(message=script, log=script, created_by=script, parameters={script: script})
    AuditEntry.objects.update(actor=script, details={script: script})
    caller = signed_in(Role.ADMINISTRATOR)
    seen = 0
    for name in [*PAGES, *ADMIN]:
        text = caller.get(world.address(name), follow=True).content.decode()
        assert script not in text, name
        seen += "&lt;script&gt;alert(1)" in text
    assert seen > 12


@pytest.mark.parametrize(
    "folder", ["/media/", "/var/media/", "/static/media/", "/static/../media/"]
)
def test_pictures_have_no_address_of_their_own(world: World, folder: str) -> None:  # noqa: F811
    file = FaceImage.objects.get(pk=world.ids["image"]).file.name
    for caller in (Caller(), signed_in(Role.ADMINISTRATOR)):
        assert caller.get(f"{folder}{file}").status_code == 404
