"""Draws the pictures of docs/architecture.md: SVG files made of small text files.

Run `python -m tests.structure.pictures`. It draws docs/architecture/NAME.svg for each docs/architecture/NAME.txt. The
same text gives the same picture, byte for byte. A text has one entry a line:

    title: How a call comes back                       what the picture shows
    lane: Browser | Centrifugo | Django                the columns, from left to right
    step: Django: instant/views/proxies.py: rpc: checks the secret    a lane, a file, a function, what it does
    step: Centrifugo: sends it to each subscriber      a step of another program: a lane, what it does
    arrow: POST /instant/proxy/rpc/                    what travels to the next step, which is in another lane
    note: Each call is answered with status 200.       a sentence across all lanes
    # a comment
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "docs" / "architecture"

WIDTH = 900
_MARGIN = 20
_GAP = 16
_HEADER = 36
#: Between two rows; an arrow must fit into it.
_SPACE = 30
_PADDING = 12
#: Above an arrow to the side: its number and what travels.
_LABEL = 34
#: The radius of the circle that holds a step's number, and the text's distance from the card's edge beside it.
_BADGE = 11
_INDENT = _PADDING + 2 * _BADGE + 8
_LINE = 18

_STYLE = """
.paper{fill:#ffffff}
.lane{fill:#f6f8fa}
.head{fill:#0c4b33}
.headtext{fill:#ffffff;font-weight:600;font-size:15px}
.card{fill:#ffffff;stroke:#b6c2cd;stroke-width:1}
.other{fill:none;stroke:#8296a8;stroke-dasharray:5 4}
.badge{fill:#0c7a4d}
.number{fill:#ffffff;font-weight:700;font-size:12px}
.name{fill:#0b2e20;font-weight:700}
.file{fill:#57606a}
.what{fill:#24292f}
.arrow{fill:none;stroke:#0c7a4d;stroke-width:2}
.tip{fill:#0c7a4d}
.label{fill:#0b5c3b;font-weight:600;font-size:12px}
.note{fill:#fff8e0;stroke:#d9c47a;stroke-width:1}
.title{fill:#24292f;font-weight:700;font-size:17px}
text{font-family:-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:13px}
.name,.file{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}
.lane{fill:#161b22}
.head{fill:#1f6f4f}
.card{fill:#0d1117;stroke:#3d4752}
.other{fill:none;stroke:#77858f}
.badge,.tip{fill:#3fb68b}
.number{fill:#04170f}
.name{fill:#7ee2b8}
.file{fill:#9aa5b1}
.what,.title{fill:#e6edf3}
.arrow{stroke:#3fb68b}
.label{fill:#7ee2b8}
.note{fill:#2b2613;stroke:#6b5d2a}
}
"""


@dataclass(frozen=True)
class Step:
    """A numbered step: what happens in which lane, and in which function of which file where it is ours."""

    number: int
    lane: str
    file: str
    function: str
    what: str
    #: What travels from the step before to this one.
    arrow: str = ""


@dataclass
class Picture:
    """What a text says."""

    title: str = ""
    lanes: list[str] = field(default_factory=list)
    #: Steps and notes, in their order.
    rows: list[Step | str] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        """Return the steps without the notes."""
        return [row for row in self.rows if isinstance(row, Step)]


class InvalidPicture(ValueError):
    """A line of the text cannot be read or drawn; the message holds the line."""


def parse(text: str) -> Picture:
    """Read a text.

    Raises:
        InvalidPicture: a line is of no known kind, names a lane that is not there, or is too long to be drawn.
    """
    picture, arrow = Picture(), ""
    for line in filter(None, map(str.strip, text.splitlines())):
        kind, _, rest = (part.strip() for part in line.partition(": "))
        if kind == "step":
            picture.rows.append(_step(line, rest, picture, arrow))
            arrow = ""
        elif kind == "arrow":
            arrow = rest
        elif kind == "note":
            picture.rows.append(rest)
        elif kind == "lane":
            picture.lanes += [lane.strip() for lane in rest.split("|")]
        elif kind == "title":
            picture.title = rest
        elif not line.startswith("#"):
            raise InvalidPicture(f"{line!r} is not a title, lane, step, arrow or note")
    return picture


def _step(line: str, rest: str, picture: Picture, arrow: str) -> Step:
    lane, _, rest = rest.partition(": ")
    if lane not in picture.lanes:
        raise InvalidPicture(f"{line!r}: there is no lane {lane!r}; the lanes are {', '.join(picture.lanes)}")
    parts = rest.split(": ", 2)
    is_ours = len(parts) == 3 and re.fullmatch(r"[\w./-]+\.\w+", parts[0])
    file, function, what = parts if is_ours else ("", "", rest)
    if _width(arrow, 12) > _lane_box(picture, lane)[1]:
        raise InvalidPicture(f"{arrow!r} is longer than a lane is wide")
    return Step(len(picture.steps) + 1, lane, file, function, what, arrow)


def steps(name: str) -> list[Step]:
    """Return the steps of the picture of this name in docs/architecture."""
    return parse((DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")).steps


# Text: how wide it is, and where it breaks.


def _width(text: str, size: float = 13) -> float:
    """Return how many pixels a text takes, at most, in the fonts of the style."""
    return size * sum(_width_of(letter) for letter in text)


def _width_of(letter: str) -> float:
    if letter in "mwMWGQO@%&":
        return 1.0 if letter in "MW@%" else 0.9
    if letter in "iljtfrI.,:;'| ":
        return 0.36
    return 0.74 if letter.isupper() else 0.62


def _width_of_code(text: str) -> float:
    return 12 * 0.61 * len(text)


def _broken(parts: Iterable[str], width: float, measure: Callable[[str], float]) -> list[str]:
    """Put parts into lines. A part that is longer than a line is broken anywhere."""
    lines = [""]
    for part in parts:
        if lines[-1] and measure((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
        while measure(lines[-1].rstrip()) > width:
            fits = max(end for end in range(1, len(lines[-1])) if end == 1 or measure(lines[-1][:end]) <= width)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: float) -> list[str]:
    return _broken(re.findall(r"\S+\s*", text), width, _width)


def _wrapped_path(text: str, width: float) -> list[str]:
    return _broken(re.findall(r"[^/]+/?", text), width, _width_of_code)


def _wrapped_name(text: str, width: float) -> list[str]:
    return _broken(re.findall(r"[^.]+\.?", text), width, _width_of_code)


# Drawing.


@dataclass(frozen=True)
class _Box:
    """Where a card is."""

    x: int
    y: int
    width: int
    height: int

    @property
    def center(self) -> int:
        return self.x + self.width // 2

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height


def render(text: str) -> str:
    """Return the SVG of a text."""
    picture = parse(text)
    drawn, bottom = _drawn(picture)
    height = bottom + _MARGIN
    title = _text(_MARGIN, _MARGIN + 14, picture.title, "title")
    lanes = "\n".join(_lane(picture, index, bottom) for index in range(len(picture.lanes)))
    described = "; ".join(f"{step.number}. {step.lane}: {step.function} {step.what}".strip() for step in picture.steps)
    return "\n".join(filter(None, [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(picture.title)}</title>',
        f'<desc id="desc">{escape(described)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        title,
        lanes,
        *drawn,
        "</svg>\n",
    ]))  # fmt: skip


def _top(picture: Picture) -> int:
    return _MARGIN + (30 if picture.title else 0)


def _lane_box(picture: Picture, lane: str) -> tuple[int, int]:
    """Return where a lane begins, and how wide it is."""
    count = len(picture.lanes)
    width = (WIDTH - 2 * _MARGIN - (count - 1) * _GAP) // count
    return _MARGIN + picture.lanes.index(lane) * (width + _GAP), width


def _lane(picture: Picture, index: int, bottom: int) -> str:
    name, top = picture.lanes[index], _top(picture)
    x, width = _lane_box(picture, name)
    return "\n".join((
        f'<rect class="lane" x="{x}" y="{top}" width="{width}" height="{bottom - top}" rx="8"/>',
        f'<rect class="head" x="{x}" y="{top}" width="{width}" height="{_HEADER}" rx="8"/>',
        _text(x + width // 2, top + 23, name, "headtext", anchor="middle"),
    ))  # fmt: skip


def _drawn(picture: Picture) -> tuple[list[str], int]:
    """Return the parts of the picture below the heads, and where they end."""
    arrows: list[str] = []
    cards: list[str] = []
    #: Where the last card of each lane ends.
    ends = dict.fromkeys(picture.lanes, _top(picture) + _HEADER - _SPACE // 2)
    before: _Box | None = None
    for row in picture.rows:
        if isinstance(row, str):
            note, end = _note(row, max(ends.values()) + _SPACE)
            cards.append(note)
            ends = dict.fromkeys(ends, end)
            continue
        x, width = _lane_box(picture, row.lane)
        lines = _lines(row, width - 3 * _PADDING - _INDENT)
        height = len(lines) * _LINE + 2 * _PADDING - 4
        box = _Box(x + _PADDING, _place(row, x, height, before, ends), width - 2 * _PADDING, height)
        arrows += _arrow(before, box, row) if before else []
        cards.append(_card(row, box, lines))
        before, ends[row.lane] = box, box.bottom
    return [*arrows, *cards], max(ends.values()) + _SPACE // 2


def _place(step: Step, x: int, height: int, before: _Box | None, ends: dict[str, int]) -> int:
    """Return where a card begins: below the one before, and so low that its arrow to the side meets no other card."""
    others = [end for lane, end in ends.items() if lane != step.lane]
    y = ends[step.lane] + _SPACE
    if before and before.x != x + _PADDING:
        y = max(y, before.middle + _SPACE + _BADGE)
    elif before:
        y = max(y, before.bottom + _SPACE)
    return max([y, *(end + _LABEL - height // 2 for end in others)])


def _lines(step: Step, width: int) -> list[tuple[str, str]]:
    """Return the lines of a card, each with its class of the style."""
    function = f"{step.function}()" if step.function else ""
    return [
        *(("name", line) for line in _wrapped_name(function, width) if line),
        *(("file", line) for line in _wrapped_path(step.file, width) if line),
        *(("what", line) for line in _wrapped(step.what, width)),
    ]


def _card(step: Step, box: _Box, lines: list[tuple[str, str]]) -> str:
    kind = "card" if step.file else "card other"
    middle = box.y + _PADDING + _BADGE - 2
    x = box.x + _PADDING + _BADGE
    return "\n".join([
        f'<rect class="{kind}" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"/>',
        f'<circle class="badge" cx="{x}" cy="{middle}" r="{_BADGE}"/>',
        _text(x, middle + 4, str(step.number), "number", anchor="middle"),
        *(
            _text(box.x + _INDENT, box.y + _PADDING + 11 + index * _LINE, line, kind)
            for index, (kind, line) in enumerate(lines)
        ),
    ])  # fmt: skip


def _note(text: str, y: int) -> tuple[str, int]:
    lines = _wrapped(text, WIDTH - 4 * _MARGIN - 2 * _PADDING)
    height = len(lines) * _LINE + 2 * _PADDING - 4
    x = _MARGIN + _PADDING
    parts = [f'<rect class="note" x="{x}" y="{y}" width="{WIDTH - 2 * x}" height="{height}" rx="6"/>']
    parts += [_text(x + _PADDING, y + _PADDING + 11 + index * _LINE, line, "what") for index, line in enumerate(lines)]
    return "\n".join(parts), y + height


def _arrow(before: _Box, after: _Box, step: Step) -> Iterator[str]:
    """Yield an arrow: down within a lane; to another lane, sideways and down, with the number of its step."""
    if before.x == after.x:
        yield f'<path class="arrow" d="M{before.center} {before.bottom}V{after.y - 8}"/>'
    else:
        right = after.x > before.x
        start, bend = (before.x + before.width, 10) if right else (before.x, -10)
        y, number = before.middle, (start + after.center) // 2
        yield f'<path class="arrow" d="M{start} {y}H{after.center - bend}q{bend} 0 {bend} 10V{after.y - 8}"/>'
        yield f'<circle class="badge" cx="{number}" cy="{y}" r="{_BADGE}"/>'
        yield _text(number, y + 4, str(step.number), "number", anchor="middle")
        yield _text(start + bend, y - _BADGE - 7, step.arrow, "label", anchor="" if right else "end")
    yield f'<path class="tip" d="M{after.center - 6} {after.y - 10}h12l-6 9z"/>'


def _text(x: int, y: int, text: str, kind: str, anchor: str = "") -> str:
    if not text:
        return ""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x}" y="{y}"{anchored}>{escape(text)}</text>'


def main() -> None:
    """Draw each picture of docs/architecture."""
    for source in sorted(DIRECTORY.glob("*.txt")):
        target = source.with_suffix(".svg")
        target.write_text(render(source.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
