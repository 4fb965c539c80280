"""Log records and what they state (10, 10.2 of docs/format.md). Takes one apart; whether it counts is for `log` to say."""
from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional

from objects import MIB, Cursor, Place, Ref, Refused, check, derive, hints, ref

COMMIT, JOIN, CLOSE, COMPLETION = 1, 2, 3, 6
KNOWN = {2, 4, 6, 8, 10, 12}  # the even attributes


class Totals(NamedTuple):
    entries: int
    bytes: int
    conflicts: int


@dataclass
class Record:
    id: bytes
    kind: int
    n: int
    access: bytes
    pk: bytes
    writer: bytes
    seq: int
    prev: bytes
    named: list[bytes]
    lamport: int
    root: bytes
    root_place: Optional[Place]
    totals: Totals
    added: list[Ref]
    superseded: list[bytes]
    body_hash: bytes
    attributes: dict[int, bytes]
    faulty: bool = False
    retires: dict[bytes, list[bytes]] = field(default_factory=dict)
    adopts: list[bytes] = field(default_factory=list)
    summary: Optional[tuple[bytes, Optional[Place]]] = None

    @property
    def parents(self) -> list[bytes]: return self.named + ([self.prev] if any(self.prev) else [])


def record(raw: bytes, vault: bytes, source: bytes) -> Record:
    c = Cursor(raw)
    check(c.u(1) == 1, "a record of another version")
    kind = c.u(1)
    check(COMMIT <= kind <= COMPLETION and c.take(32) == vault, "a record of another kind or vault")
    n, access, pk, salt = c.varint(), c.take(32), c.take(32), c.take(16)
    seq, prev, named, lamport = c.varint(), c.take(32), c.ascending(64), c.varint()
    c.time()
    c.text(4096), c.text(255)
    check(c.varint() <= 1, "unknown flags")
    root, place, totals = c.take(32), only_place(c, source), Totals(c.varint(), c.varint(), c.varint())
    added, superseded, _ = c.many(MIB, lambda: ref(c)), c.ids(), c.ascending(MIB)
    body_hash = c.take(32)
    pairs = c.many(256, lambda: (c.varint(), c.blob()))
    c.end()
    check(all(a < b for (a, _), (b, _) in zip(pairs, pairs[1:])), "attributes out of order")
    check(min(n, seq, lamport) > 0 and max(seq, lamport) < 10**12 and (seq == 1) == (not any(prev)), "numbers that cannot be")
    r = Record(derive("commit", vault + raw), kind, n, access, pk, derive("writer-id", pk + salt)[:16], seq, prev, named, lamport,
               root, place, totals, added, superseded, body_hash, dict(pairs))
    try:
        statements(r, source)
    except Refused:
        r.faulty = True
    return r


def only_place(c: Cursor, source: bytes) -> Optional[Place]:
    """Hints with one place and a table of nothing else: signed bytes have one spelling."""
    start = c.at
    place = hints(c, 1, source)[0]
    again = Cursor(c.data[start:c.at])
    refs = again.many(1, lambda: ref(again))
    check(again.varint() == 2 if refs else again.at == 1, "hints of a record name an object that they do not use")
    return place


def statements(r: Record, source: bytes) -> None:
    """10.2, and attribute 2: where the summary is. Odd tags say nothing that a reader needs."""
    for tag, value in r.attributes.items():
        c = Cursor(value)
        if tag == 2:
            r.summary = c.take(32), only_place(c, source)
        elif tag == 4:
            r.retires = dict(ordered(c, lambda: (c.take(16), c.ascending(64)), parts=1))
        elif tag == 6:
            r.adopts = [id for id, in ordered(c, lambda: (c.take(32),))]
        elif tag == 8:
            check(-1440 < c.svarint() < 1440, "a policy in a time zone that there is not")
            ordered(c, lambda: rule(c), least=0)
        elif tag == 10:
            ordered(c, lambda: mark(c))
        elif tag == 12:
            ordered(c, lambda: (c.take(32), c.varint(1)), parts=1)
        else:
            continue
        c.end()


def ordered(c: Cursor, one: Callable[[], tuple], least: int = 1, parts: int = 3) -> list[tuple]:
    """At most 64 items, ascending by their first parts."""
    items = c.many(64, one)
    check(len(items) >= least and all(a[:parts] < b[:parts] for a, b in zip(items, items[1:])), "statements out of order, or none")
    return items


def rule(c: Cursor) -> tuple[int, bytes]:
    kind, name = c.u(1), c.blob(32768)
    check((kind == 0 and not name) or (kind == 1 and is_tag(name)) or (kind == 2 and (not name or is_path(name))), "a rule of nothing")
    numbers = [c.varint(2**32 - 1) for _ in range(6)] + [c.varint(9999) for _ in range(24)]
    check(any(numbers), "a rule that keeps nothing")
    return kind, name


def mark(c: Cursor) -> tuple[int, bytes, bytes]:
    kind, commit, name = c.u(1) & 127, c.take(32), c.blob(128)
    check((kind == 1 and not name) or (kind in (1, 2) and is_tag(name)), "a mark without a name, or of a kind that there is not")
    return kind, commit, name


def is_tag(name: bytes) -> bool:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    bad = any(ch.isspace() or unicodedata.category(ch) == "Cc" or ch in ",:~^" for ch in text)
    return 1 <= len(name) <= 128 and not bad and text[0] != "-"


def is_path(path: bytes) -> bool:
    parts = path.split(b"/")
    names = all(1 <= len(p) <= 255 and p not in (b".", b"..") and b"\0" not in p for p in parts)
    return names and len(path) <= 32768 and len(parts) <= 1024
