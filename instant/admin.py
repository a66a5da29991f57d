"""The admin: channels, with an action that sends a message, and pending revocations (read-only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import display_for_value
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from . import protocol
from .access import channel_access
from .centrifugo import cent_api
from .channels import declared
from .channels.user_ids import user_id, user_in_site, user_on_server
from .conf.settings import conf
from .exceptions import InvalidMessage, ServerError
from .messages import Message
from .models import Channel, Revocation
from .producers import publish_many

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Channel]
    RevocationModelAdmin = admin.ModelAdmin[Revocation]
else:
    ModelAdmin = RevocationModelAdmin = admin.ModelAdmin


class _JSONField(forms.JSONField):
    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError as error:  # Django does not catch this error
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class MessageForm(forms.Form):
    """The form of the action "Send a message"."""

    message = forms.CharField(label=_("Message"), required=False, widget=forms.Textarea(attrs={"rows": 3, "cols": 60}))
    event_class = forms.CharField(label=_("Event class"), required=False)
    bucket = forms.CharField(label=_("Bucket"), required=False)
    data = _JSONField(  # type: ignore[assignment]  # Django removes it from the class
        label=_("Data (JSON)"), required=False, widget=forms.Textarea(attrs={"rows": 4, "cols": 60})
    )

    def clean(self) -> dict[str, Any]:
        content: dict[str, Any] = super().clean() or {}
        if not self.errors and not content.get("message") and content.get("data") is None:
            raise forms.ValidationError(_("Enter a message, data or both."))
        return content

    def messages_for(self, channels: QuerySet[Channel]) -> list[Message]:
        """Return a message for each channel.

        Raises:
            InvalidMessage: one of the messages is invalid.
        """
        content = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        return [Message(channel.name, **content) for channel in channels]


class PathsField(forms.CharField):
    """A list of paths, one per line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list | tuple) else (super().to_python(value) or "").splitlines()
        return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A channel, with one path per line."""

    paths = PathsField(
        label=_("Paths"),
        help_text=_(
            "URL paths of the pages that join this channel automatically, one per line. /news/ is one page; /news/* is "
            "that page and all pages below it. Without paths, every page joins it."
        ),
        required=False,
    )


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    """Channels, with an action that sends a message to the selected ones."""

    form = ChannelForm
    list_display = ("name", "level", "is_active", "groups_shown")
    list_filter = ("level", "is_active", "groups")
    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("groups",)
    readonly_fields = ("who_may_join", "subscribers")
    actions = ("send_message",)

    class Media:
        js = ("instant/admin/channel.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        rows: QuerySet[Channel] = super().get_queryset(request).prefetch_related("groups")
        return rows

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        return ["name", "level", "groups", "paths", "is_active", *(self.readonly_fields if obj else ())]

    @admin.display(description=_("Groups"))
    def groups_shown(self, channel: Channel) -> str:
        """Return the names of the channel's groups. At other levels groups have no effect, so return ""."""
        if channel.level != protocol.GROUPS:
            return ""
        return ", ".join(group.name for group in channel.groups.all())

    @admin.display(description=_("Who may join"))
    def who_may_join(self, channel: Channel) -> str:
        """Return the number of users who may join, from the database."""
        if not channel.is_active and declared.find(channel.name) is None:
            return str(_("Nobody: the channel is not active"))
        count = channel_access.members(channel).count()
        return ngettext("%(count)d user", "%(count)d users", count) % {"count": count}

    @admin.display(description=_("Subscribers now"))
    def subscribers(self, channel: Channel) -> str:
        """Return the number of clients subscribed to the channel, from the server, or an error text."""
        try:
            return str(cent_api.subscribers(channel.name))
        except ServerError as error:
            return f"{_('Server not reachable')}: {error}" if error.code else str(_("Server not reachable"))

    @admin.action(description=_("Send a message"), permissions=["change"])
    def send_message(self, request: HttpRequest, queryset: QuerySet[Channel]) -> HttpResponse | None:
        """Show a form for a message, send the message to each selected channel, and report the result."""
        form = MessageForm(request.POST if "send" in request.POST else None)
        if form.is_valid() and self._sent(request, form, queryset):
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Send a message"),
            "opts": self.model._meta,
            "form": form,
            "channels": queryset,
            "media": self.media + form.media,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            # The user may select all rows of all pages. One hidden field per channel could then exceed
            # DATA_UPLOAD_MAX_NUMBER_FIELDS.
            "select_across": request.POST.get("select_across") == "1",
        }
        return TemplateResponse(request, "admin/instant/channel/send_message.html", context)

    def _sent(self, request: HttpRequest, form: MessageForm, queryset: QuerySet[Channel]) -> bool:
        try:
            items = form.messages_for(queryset)
            error = publish_many(items, fail_silently=True)
        except InvalidMessage as invalid:
            form.add_error(None, str(invalid))
            return False
        failed = getattr(error, "failed", [])
        for _index, failure in failed:
            self.message_user(request, str(failure), messages.ERROR)
        sent = len(items) - len(failed)
        if sent or not failed:
            text = ngettext("Sent to %(sent)d channel.", "Sent to %(sent)d channels.", sent) % {"sent": sent}
            self.message_user(request, text, messages.SUCCESS)
        return True


@admin.register(Revocation)
class RevocationAdmin(RevocationModelAdmin):
    """Pending revocations, read-only. Without its row, a revocation would not be enforced against older tokens."""

    list_display = ("about", "next_at", "until_shown")
    fields = ("about", "next_at", "until_shown")
    readonly_fields = fields
    search_fields = ("=user", "channel")
    search_help_text = _("A username, the id of a user, or a part of a channel's name")
    ordering = ("next_at", "pk")

    @admin.display(description=_("About"))
    def about(self, row: Revocation) -> str:
        """Return a text that names the channel, or the user, whose access has ended."""
        if row.channel:
            return str(_("channel %(name)s") % {"name": row.channel})
        texts = {"": _("user %(id)s"), Revocation.ALL_SESSIONS: _("user %(id)s, all sessions")}
        return str(texts.get(row.session, _("user %(id)s, one session")) % {"id": user_in_site(row.user)})

    @admin.display(description=_("Until"), ordering="until")
    def until_shown(self, row: Revocation) -> str:
        """Return the time until which the revocation is enforced, or a text if it has not been enforced yet."""
        return str(display_for_value(row.until, str(_("not enforced yet"))))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Revocation]:
        rows: QuerySet[Revocation] = super().get_queryset(request).filter(tenant=conf.tenant)
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Revocation], search_term: str
    ) -> tuple[QuerySet[Revocation], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term:
            named_by = get_user_model().USERNAME_FIELD
            users = get_user_model()._default_manager.filter(**{named_by: search_term})
            found |= queryset.filter(user__in=[user_on_server(search_term), *map(user_id, users)])
        return found, may_repeat

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Revocation | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Revocation | None = None) -> bool:
        return False
