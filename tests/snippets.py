"""The fenced blocks of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\S+)[ \t]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    page: Path
    language: str
    place: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets(page: Path) -> list[Snippet]:
    content = page.read_text()
    return [
        Snippet(page, match[1], match[2].strip(), match[3], content.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(content)
    ]


def all_snippets(language: str, place: str | None = None) -> list[Snippet]:
    found = [snippet for page in PAGES for snippet in snippets(page) if snippet.language == language]
    return [snippet for snippet in found if place in (None, snippet.place)]


def commands() -> list[tuple[Snippet, str]]:
    """Each `$ command` of a console block."""
    return [
        (snippet, line.removeprefix("$ "))
        for snippet in all_snippets("console")
        for line in snippet.text.splitlines()
        if line.startswith("$ ")
    ]
