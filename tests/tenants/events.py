from __future__ import annotations

from instant.events import BaseEventModel

from .models import Note


class NoteEvent(BaseEventModel):
    model = Note
    channel = "$everyone"
    fields = ["text"]
