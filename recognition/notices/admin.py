"""Webhooks and the log of their deliveries in the admin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.access import access_of
from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.notices.models import Attempt, Delivery, Webhook
from recognition.notices.payloads import NOTICE_KINDS
from recognition.notices.selectors import collections_visible
from recognition.notices.services.webhooks import (
    webhook_create,
    webhook_delete,
    webhook_test,
    webhook_update,
)
from recognition.web.admin.services import ServiceAdmin, refusals_shown

_STATES = {"on": "success", "failing": "warning", "off": "danger"}
_DELIVERY_STATES = {
    Delivery.State.PENDING: "info",
    Delivery.State.DELIVERED: "success",
    Delivery.State.FAILED: "danger",
}


class WebhookForm(forms.ModelForm):
    kinds = forms.MultipleChoiceField(
        required=False,
        choices=[(kind, kind) for kind in NOTICE_KINDS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The notices to send. If none is chosen, all are sent.",
    )
    collection_id = forms.TypedChoiceField(
        label="Collection",
        required=False,
        coerce=UUID,
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Only notices of this collection.",
    )

    class Meta:
        model = Webhook
        fields = ("url", "kinds", "collection_id", "is_enabled")
        widgets = {"url": UnfoldAdminTextInputWidget(attrs={"size": 80})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = collections_visible(self.access).values_list("pk", "name")  # type: ignore[attr-defined]
        self.fields["collection_id"].choices = [("", "All collections"), *rows]  # type: ignore[attr-defined]


_READ_ONLY = ("state", "told_state", "created_by", "made_by", "created_at")


@admin.register(Webhook)
class WebhookAdmin(ServiceAdmin, LongListAdmin):
    when_empty = "Add a URL that receives each visit and each change of a person."
    form = WebhookForm
    list_display = ("url", "kinds_text", "collection_name", "state", "created_at")
    list_filter = ("is_enabled",)
    search_fields = ("url",)
    actions_detail = ("show_log",)
    actions_submit_line = ("send_test",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        return super().get_queryset(request).prefetch_related("receiver")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (form,), {"access": access_of(request)})

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple:
        asked = ("url", "kinds", "collection_id", "is_enabled")
        return asked if obj is None else (*asked, *_READ_ONLY)

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple:
        return _READ_ONLY if obj else ()

    @display(description="Notices")
    def kinds_text(self, hook: Webhook) -> str:
        return ", ".join(hook.kinds) or "all"

    @display(description="Collection")
    def collection_name(self, hook: Webhook) -> str:
        return str(hook.collection_id) if hook.collection_id else "all"

    @display(description="State", label=_STATES)
    def state(self, hook: Webhook) -> str:
        if not hook.is_enabled:
            return "off"
        return "failing" if hook.receiver.failures else "on"

    @display(description="Why")
    def told_state(self, hook: Webhook) -> str:
        if hook.off_reason:
            return hook.off_reason
        if since := hook.receiver.failing_since:
            return f"{hook.receiver.failures} failed attempts since {since:%Y-%m-%d %H:%M} UTC."
        return "No failures."

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:  # noqa: FBT001
        actor, access = Actor.of_request(request), access_of(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            webhook_update(webhook=obj, actor=actor, access=access, **changes)
            return
        made = webhook_create(actor=actor, access=access, **form.cleaned_data)
        obj.pk, obj.receiver = made.pk, made.receiver
        request.new_webhook = made  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Webhook, *args: Any) -> HttpResponse:
        """The only page that shows the secret. It must not stay in a cache or a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "New webhook",
            "opts": self.opts,
            "webhook": request.new_webhook,  # type: ignore[attr-defined]
        }
        response = render(request, "notices/webhook_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        webhook_delete(webhook=obj, actor=Actor.of_request(request))

    @action(description="Save and send a test", icon="send", permissions=["change"])
    def send_test(self, request: HttpRequest, obj: Webhook) -> None:
        with refusals_shown(request):
            webhook_test(webhook=obj, actor=Actor.of_request(request))
            messages.success(request, "A test is being sent. Reload this page to see the result.")

    def response_change(self, request: HttpRequest, obj: Webhook) -> HttpResponse:
        if "notices_webhook_send_test" not in request.POST:
            return super().response_change(request, obj)
        self.send_test(request, obj)
        return redirect(_log_url(obj))

    @action(description="Log", url_path="log", icon="list", permissions=["view"])
    def show_log(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        return redirect(_log_url(self.row_or_404(request, object_id)))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do not use Django's own log of the admin: the service writes to the audit log."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Do nothing, like `log_addition`."""


class AttemptInline(TabularInline):
    model = Attempt
    fields = readonly_fields = ("number", "at", "status", "error", "message", "duration_ms")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(LongListAdmin):
    """Read only: deliveries that were sent and that wait."""

    when_empty = "Deliveries appear here when something is sent to a webhook."
    list_display = ("created_at", "kind", "webhook_link", "state_label", "attempts", "last_attempt")
    list_display_links = ("created_at",)
    list_filter = ("state", "kind")
    fields = ("id", "kind", "webhook_link", "state_label", "created_at", "next_at")
    readonly_fields = ("id", "webhook_link", "state_label")
    inlines = (AttemptInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).prefetch_related("log", "receiver__webhook")

    @display(description="Webhook")
    def webhook_link(self, delivery: Delivery) -> SafeString:
        hook = delivery.receiver.webhook
        url = reverse("admin:notices_webhook_change", args=[hook.pk])
        return format_html('<a class="fr-link" href="{}">{}</a>', url, hook.url)

    @display(description="State", label=_DELIVERY_STATES, ordering="state")
    def state_label(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description="Last attempt")
    def last_attempt(self, delivery: Delivery) -> str:
        attempts = list(delivery.log.all())
        if not attempts:
            return "none yet"
        return attempts[-1].message or f"{attempts[-1].status} in {attempts[-1].duration_ms} ms"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _log_url(hook: Any) -> str:
    changelist = reverse("admin:notices_delivery_changelist")
    return f"{changelist}?receiver__id__exact={hook.receiver_id}"
