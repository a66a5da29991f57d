"""The paths that are measured, and the bars they have to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Literal

#: Bytes of the text that each message carries; the same call for each package.
TEXT = "0123456789" * 15
#: Commands in one batch, of those paths that make their batches here.
BATCH = 1_000
#: Of how many messages a slow path sends one: a loop of some hundred messages a second is the same at any length.
SLOW = 10


@dataclass
class Round:
    """What a process reported of one run: seconds until the loop ended, and until the last acknowledgement."""

    messages: int
    caller: float | None
    total: float
    memory_kb: int | None = None
    #: The Go publisher's peak so far.
    publisher_kb: int | None = None
    #: Seconds of a plain bulk INSERT of the same rows.
    insert: float | None = None
    #: What the server's own counter says; None where nothing counts.
    counted: int | None = None


@dataclass
class Row:
    """All rounds of one path."""

    path: Path
    rounds: list[Round] = field(default_factory=list)

    @property
    def total(self) -> float:
        return median(item.total for item in self.rounds)

    @property
    def per_second(self) -> float:
        return self.rounds[0].messages / self.total

    def times(self, other: Row) -> float:
        """How many times as fast as another path: the median of the rounds, as load comes and goes between them."""
        pairs = zip(self.rounds, other.rounds, strict=False)
        return median(own.messages / own.total * its.total / its.messages for own, its in pairs)

    @property
    def caller_us(self) -> float | None:
        """Microseconds of the calling process for each message."""
        seconds = [item.caller for item in self.rounds if item.caller is not None]
        return median(seconds) / self.rounds[0].messages * 1e6 if seconds else None

    @property
    def insert(self) -> float | None:
        seconds = [item.insert for item in self.rounds if item.insert is not None]
        return median(seconds) if seconds else None


Rows = dict[str, Row]


@dataclass(frozen=True)
class Verdict:
    """A bar, what was measured, and whether that is enough; None where there is nothing to compare with."""

    text: str
    value: float | None
    reached: bool | None


@dataclass(frozen=True)
class AtLeast:
    """As fast as `factor` times another path of the same run."""

    factor: float
    other: str

    def judge(self, row: Row, rows: Rows) -> Verdict:
        text = f"≥ {self.factor:g}x {self.other}"
        if self.other not in rows:
            return Verdict(text, None, None)
        value = row.times(rows[self.other])
        return Verdict(text, value, value >= self.factor)


@dataclass(frozen=True)
class CallerWithin:
    """At most so many microseconds of the calling process for each message."""

    microseconds: float

    def judge(self, row: Row, rows: Rows) -> Verdict:
        value = row.caller_us
        return Verdict(
            f"≤ {self.microseconds:g} µs a call", value, None if value is None else value <= self.microseconds
        )


@dataclass(frozen=True)
class CallerAtMost:
    """At most `factor` times the calling process's time of another path of the same run."""

    factor: float
    other: str

    def judge(self, row: Row, rows: Rows) -> Verdict:
        text = f"≤ {self.factor:g}x the caller's time of {self.other}"
        own, its = row.caller_us, rows[self.other].caller_us if self.other in rows else None
        if own is None or its is None:
            return Verdict(text, None, None)
        return Verdict(text, own / its, own <= self.factor * its)


@dataclass(frozen=True)
class WithinInserts:
    """All delivered within `factor` times a plain bulk INSERT of the same rows, and `seconds` on top."""

    factor: float
    seconds: float

    def judge(self, row: Row, rows: Rows) -> Verdict:
        text = f"≤ {self.factor:g}x bulk INSERT + {self.seconds:g} s"
        if row.insert is None:
            return Verdict(text, None, None)
        limit = self.factor * row.insert + self.seconds
        return Verdict(f"{text} = {limit:.2f} s", row.total, row.total <= limit)


@dataclass(frozen=True)
class Path:
    """One way for messages to go out. `kind` says which process runs it, `backend` what ours is set to."""

    name: str
    label: str
    kind: Literal["ours", "bare", "peer"] = "ours"
    backend: str = "python"
    slow: bool = False
    counted: bool = True
    bars: tuple[AtLeast | CallerAtMost | CallerWithin | WithinInserts, ...] = ()

    def messages(self, of: int) -> int:
        """How many messages this path sends where the others send `of`."""
        return max(of // SLOW, 1) if self.slow else of


_QUEUED = (AtLeast(90, "existing"), AtLeast(0.35, "ceiling"))
_OUTBOX = (WithinInserts(2, 1),)

PATHS = (
    Path("existing", "django-instant 4.2.0 publish(), cent<5", kind="peer", slow=True),
    Path("cent", "cent 5 publish() loop", kind="bare", slow=True),
    Path("cent-batch", "cent 5 batch() of 1,000", kind="bare"),
    Path("urllib3", "bare urllib3 loop", kind="bare"),
    Path("urllib3-batch", "bare urllib3, batches of 1,000", kind="bare"),
    Path("ceiling", "Go ceiling: 8 connections, batches of 1,000", kind="bare"),
    Path("python", "publish() python", bars=(AtLeast(4, "existing"), AtLeast(0.9, "urllib3"))),
    Path("python-async", "apublish() python, one after the other"),
    Path("many", "publish_many() python", bars=(AtLeast(100, "existing"), AtLeast(0.75, "urllib3-batch"))),
    Path("many-async", "apublish_many() python"),
    Path("on-commit", "publish(on_commit=True) in one transaction", bars=(AtLeast(70, "existing"),)),
    Path("thread", "publish() thread, and flush()", backend="thread", bars=(*_QUEUED, CallerWithin(12))),
    Path("thread-many", "publish_many() thread, and flush()", backend="thread"),
    Path("go", "publish() go, and flush()", backend="go", bars=(*_QUEUED, CallerAtMost(2, "thread"))),
    Path("go-many", "publish_many() go, and flush()", backend="go"),
    Path("outbox", "publish() outbox, one transaction, PostgreSQL", backend="outbox", bars=_OUTBOX),
    Path("outbox-many", "publish_many() outbox, one transaction", backend="outbox", bars=_OUTBOX),
    Path("channels-redis", "channels_redis group_send(), 1 member", kind="peer", slow=True, counted=False),
    Path("eventstream", "django-eventstream send_event(), Redis", kind="peer", slow=True, counted=False),
)
NAMES = tuple(path.name for path in PATHS)
#: Those that need Redis, and PEERS=1.
WITH_REDIS = ("channels-redis", "eventstream")
#: Backends whose latency is measured.
BACKENDS = ("python", "thread", "go", "outbox")
