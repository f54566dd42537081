"""Reviews from the admin: a message says what a review did, and offers to undo it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.html import format_html

from accounts.audit import Actor
from recognition.events.models import Event
from recognition.events.services.events import event_review
from recognition.web.admin.services import refusals_shown

# In the session: [id, review before] of each event that was reviewed last.
_LAST = "last_reviews"
_MOST_UNDONE = 1000


def review_and_tell(request: HttpRequest, events: Iterable[Event], review: str) -> None:
    """Review each event, and show a message that says what this does, with a button to undo it."""
    before: list[tuple[str, str]] = []
    reviewed: list[Event] = []
    for event in events:
        with refusals_shown(request):
            reviewed.append(
                event_review(event=event, review=review, actor=Actor.of_request(request))
            )
            before.append((str(event.pk), event.review))
    if not reviewed:
        return
    request.session[_LAST] = before[:_MOST_UNDONE]
    messages.success(request, _with_undo(request, _words(reviewed, Event.Review(review))))


def undo_last(request: HttpRequest) -> None:
    last = {UUID(pk): review for pk, review in request.session.pop(_LAST, [])}
    for event in Event.objects.filter(pk__in=last):
        with refusals_shown(request):
            event_review(event=event, review=last[event.pk], actor=Actor.of_request(request))
    messages.success(request, f"Undone: {_events(len(last))}.")


def _words(events: list[Event], review: Event.Review) -> str:
    """What the review of these events does."""
    names = sorted({event.person.name for event in events if event.person is not None})
    told = ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")
    count = _events(len(events))
    if review == Event.Review.CONFIRMED:
        return f"Confirmed: {count} of {told}." if names else f"Confirmed: {count}."
    if review == Event.Review.NONE:
        return f"The review of {count} is removed."
    if not names:
        return f"Rejected: {count}. There was no name to remove."
    if not any(event.negative_id for event in events):
        return f"Rejected: {count} of {told}. This does not change how other visits are named."
    return (
        f"Rejected: {count} of {told}. From now on, a face that is more similar to a rejected face "
        f"than to the photos of {told} will not get that name."
    )


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"


def _with_undo(request: HttpRequest, words: str) -> str:
    return format_html(
        '{} <form class="fr-undo" method="post" action="{}">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<input type="hidden" name="next" value="{}"><button class="fr-link">Undo</button></form>',
        words,
        reverse("admin:events_event_undo_review"),
        get_token(request),
        request.POST.get("next") or request.get_full_path(),
    )
