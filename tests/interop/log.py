"""Which records count, and where blobs lie: the log, its histories and the index (8, 10 of docs/format.md).

Reads every record there is, of the listing and of the histories, and follows rule by rule; summaries are believed in nothing but
where histories are found."""
from __future__ import annotations

from functools import lru_cache
from typing import Iterable, Iterator, NamedTuple, Optional

from access import ADMIN, WRITER, Access
from objects import (FORKED, MIB, MISSING, NEWER, Cursor, Object, Place, Ref, Refused, base32, blake, check, derive,
                     directory, hints, keyed, read, ref, signed, u64, unframe, unseal)
from records import CLOSE, COMMIT, JOIN, KNOWN, Record, record

DATA, TREE, LIST, HISTORY = range(1, 5)  # kinds of blobs


class Log:
    def __init__(self, access: Access, objects: dict[bytes, Object], use_hints: bool) -> None:
        self.access, self.objects, self.vault, self.use_hints = access, objects, access.vault, use_hints
        self.blob_key, self.tag_key = derive("chunk-id", access.s0), derive("record-name", access.s0)
        self.records: dict[bytes, Record] = {}
        self.bundles: dict[bytes, bytes] = {}  # by the object's id
        self.folded: set[bytes] = set()  # what histories hold
        self.segments: dict[bytes, Ref] = {}
        logged = sorted((o for o in objects.values() if o.kind == "log"), key=lambda o: o.name["lamport"], reverse=True)
        for object in logged:
            self.load(object)
        covered: set[bytes] = set()
        for r in sorted(self.records.values(), key=lambda r: -r.lamport):
            if r.summary and r.id not in covered:
                self.unfold(*r.summary)
                covered |= self.ancestry([r.id])
        self.counting = self.decide()
        self.segments = {s.id: s for id in self.counting for s in self.records[id].added}
        for id in self.counting:
            for old in self.records[id].superseded:
                self.segments.pop(old, None)
        self.index.cache_clear()

    # ---- 10.1: which records count ----

    def load(self, object: Object) -> None:
        lamport, seq = int(object.name["lamport"]), int(object.name["seq"])
        if object.name["tag"] != base32(keyed(self.tag_key, u64(lamport) + u64(seq) + object.id)[:10]):
            return  # foreign: anybody may have put it there
        data = read(object)
        try:
            plaintext, epoch = self.unseal(object, data), int.from_bytes(data[8:12], "little")
            c = Cursor(plaintext)
            raw, signature, body = c.take(c.u(4)), c.take(64), c.take(c.u(4))
            c.zeros()
        except Refused:
            return
        r = self.add(raw, signature, object.id)
        if r is None:
            return
        version = self.access.versions.get(r.access)
        if (r.lamport, r.seq) != (lamport, seq) or r.body_hash != blake(body) or (version and version.epoch != epoch):
            self.records.pop(r.id, None)
            return
        try:
            self.body(r, body, object.id)
        except Refused:
            r.faulty = True

    def unseal(self, object: Object, data: bytes) -> bytes:
        epoch = int.from_bytes(data[8:12], "little")
        return unseal(data, self.vault, object.kind, object.logical, self.access.epochs.get(epoch, []))

    def add(self, raw: bytes, signature: bytes, source: bytes) -> Optional[Record]:
        try:
            r = record(raw, self.vault, source)
        except Refused:
            newest = [m.pair[1216:] for m in self.access.force.members if m.role >= WRITER]
            check(not any(signed("commit", self.vault, raw, signature, pk) for pk in newest), "a writer's record is malformed", NEWER)
            return None
        known = any(v.role(r.pk) for v in self.access.versions.values())
        if not known or not signed("commit", self.vault, raw, signature, r.pk):
            return None
        return self.records.setdefault(r.id, r)

    def body(self, r: Record, body: bytes, source: bytes) -> None:
        """Bodies of other kinds say nothing that a reader needs."""
        if r.kind in (COMMIT, JOIN, CLOSE) and body:
            directory(body, padded=False)
            self.bundles[source] = body

    def ancestry(self, ids: Iterable[bytes]) -> set[bytes]:
        found, todo = set(), list(ids)
        while todo:
            id = todo.pop()
            if id in self.records and id not in found:
                found.add(id)
                todo.extend(self.records[id].parents)
        return found

    def faulty(self, r: Record) -> bool:
        version = self.access.versions.get(r.access)
        if version is None:
            force = self.access.force
            check(r.n <= force.n or force.role(r.pk) < WRITER, "a record of an access version that is missing", MISSING)
        if r.faulty or version is None or version.n != r.n or version.role(r.pk) < WRITER:
            return True
        parents = [self.records[p] for p in r.parents if p in self.records]
        before = self.records.get(r.prev)
        if any(p.n > r.n for p in parents):
            return True
        if before and (before.writer, before.seq) != (r.writer, r.seq - 1):
            return True
        return len(parents) == len(r.parents) and r.lamport != 1 + max((p.lamport for p in parents), default=0)

    def cut_off(self, r: Record) -> bool:
        later = [v for v in self.access.versions.values() if v.n > r.n]
        return any(v.role(r.pk) < WRITER and r.id not in self.frontier(v.n) for v in later)

    @lru_cache(maxsize=None)  # noqa: B019
    def frontier(self, n: int) -> set[bytes]:
        return self.ancestry(id for v in self.access.versions.values() if v.n == n for id in v.frontier)

    def closed(self, ids: set[bytes], lenient: bool) -> set[bytes]:
        """The greatest subset whose parents are in it too; `lenient` takes those that are nowhere for granted."""
        kept: set[bytes] = set()
        for id in sorted(ids, key=lambda id: self.records[id].lamport):
            if all(p in kept or (lenient and p not in self.records) for p in self.records[id].parents):
                kept.add(id)
        return kept

    def admins(self, ids: set[bytes]) -> list[Record]:
        return [r for r in map(self.records.__getitem__, ids) if self.access.versions[r.access].role(r.pk) == ADMIN]

    def select(self, lenient: bool) -> tuple[set[bytes], set[bytes]]:
        sound = {id for id, r in self.records.items() if not self.faulty(r)}
        cut, adopted = {id for id in sound if self.cut_off(self.records[id])}, set[bytes]()
        while True:
            base = self.closed(sound - (cut - adopted), lenient)
            more = self.ancestry(id for r in self.admins(base) for id in r.adopts)
            if more <= adopted:
                break
            adopted |= more
        retired: dict[bytes, list[bytes]] = {}
        for r in self.admins(base):
            for writer, kept in r.retires.items():
                if writer != r.writer:
                    retired.setdefault(writer, []).extend(kept)
        spared = {writer: self.ancestry(kept) | adopted for writer, kept in retired.items()}
        return self.closed({id for id in base if id in spared.get(self.records[id].writer, base)}, lenient), set(retired)

    def decide(self) -> set[bytes]:
        counting, retired = self.select(False)
        check(counting == self.select(True)[0], "a record is missing that another has as its parent", MISSING)
        turns: dict[tuple[bytes, int], bytes] = {}
        for id in counting:
            r = self.records[id]
            check(not {tag for tag in r.attributes if tag % 2 == 0} - KNOWN, "a record says what this reader cannot know", NEWER)
            first = turns.setdefault((r.writer, r.seq), id)
            check(first == id or r.writer in retired, "a writer has signed two records as the same one", FORKED)
        return counting

    # ---- 10.3: histories ----

    def unfold(self, found: bytes, at: Optional[Place]) -> None:
        """Adds the records that the histories of a summary hold."""
        summary = self.node(HISTORY, found, at)
        c = Cursor(summary.canonical)
        check(c.u(1) == 1, "not a summary")
        for _ in range(c.varint(MIB)):
            c.take(48), [c.varint() for _ in range(4)], ref(c)
        self.segments |= {s.id: s for s in c.many(MIB, lambda: ref(c))}
        self.index.cache_clear()  # it was made without them
        ids = c.ascending(64)
        check(c.varint() == 0, "a summary with more than this reader knows")
        c.end()
        for id, place in zip(ids, summary.places(len(ids))):
            self.history(id, place)

    def history(self, id: bytes, place: Optional[Place]) -> None:
        history = self.node(HISTORY, id, place)
        c = Cursor(history.canonical)
        check(c.u(1) == 2, "not a history")
        pages = c.many(MIB, lambda: (c.take(32), c.varint(), c.varint(), c.varint()))
        for _ in range(c.varint(MIB)):
            c.time()
            c.many(MIB, lambda: (c.take(48), [c.varint() for _ in range(3)], c.take(32)))
            c.ids()
        c.ids()
        c.many(MIB, lambda: (c.take(48), [c.varint() for _ in range(3)]))
        check(c.varint() == 0, "a history with more than this reader knows")
        c.end()
        for (page, count, low, high), at in zip(pages, history.places(len(pages))):
            self.page(page, at, (count, low, high))

    def page(self, id: bytes, place: Optional[Place], wanted: tuple[int, int, int]) -> None:
        c = Cursor(self.node(HISTORY, id, place).canonical)
        check(c.u(1) == 3, "not a page")
        found = [self.add(raw, signature, b"") for raw, signature in c.many(MIB, lambda: (c.blob(), c.take(64)))]
        c.end()
        self.folded |= {r.id for r in found if r}
        order = [(r.lamport, r.id) for r in found if r]
        check(None not in found and order == sorted(order), "a page with records that are none, or out of order")
        check((len(order), order[0][0], order[-1][0]) == wanted, "a page is not what its history says")

    # ---- 7, 8: where blobs lie ----

    def node(self, kind: int, id: bytes, place: Optional[Place]) -> Node:
        blob, source = self.blob(kind, id, place)
        size = int.from_bytes(blob[:4], "little")
        return Node(blob[4:4 + size], blob[4 + size:], source)

    def blob(self, kind: int, id: bytes, hint: Optional[Place]) -> tuple[bytes, bytes]:
        """A blob and the object it was in: from the hint, or else from one of the places in the index."""
        failed = Refused(MISSING, f"a blob is in no object of the index: {base32(id)}")
        for place in self.places(id, hint):
            try:
                content = self.cut(place)
                counted = content
                if kind != DATA:
                    check(4 <= len(content) <= MIB, "a node is too small or too large")
                    size = int.from_bytes(content[:4], "little")
                    check(size <= len(content) - 4, "a node is cut short")
                    counted = content[4:4 + size]
                check(keyed(self.blob_key, bytes([kind]) + counted) == id, "a blob is not what its id says")
                return content, place.pack
            except Refused as refused:
                failed = refused
        raise failed

    def places(self, id: bytes, hint: Optional[Place]) -> Iterator[Place]:
        if hint and self.use_hints:
            yield hint
        yield from self.index().get(id[:16], [])

    def cut(self, place: Place) -> bytes:
        pack = self.pack(place.pack)
        check(0 < place.stored and place.frame + place.stored <= len(pack), "a place outside of its pack")
        content = self.frame(place.pack, place.frame, place.stored)
        check(place.offset + place.length <= len(content), "a place outside of its frame")
        return content[place.offset:place.offset + place.length]

    @lru_cache(maxsize=8)  # noqa: B019
    def frame(self, pack: bytes, at: int, stored: int) -> bytes: return unframe(self.pack(pack)[at:at + stored])

    @lru_cache(maxsize=4)  # noqa: B019
    def pack(self, id: bytes) -> bytes:
        if id in self.bundles:
            return self.bundles[id]
        check(id in self.objects, f"an object is missing: {base32(id)}", MISSING)
        object = self.objects[id]
        plaintext = self.unseal(object, read(object))
        if object.kind != "index":
            kinds = {kind for kind, _ in directory(plaintext, padded=True)}
            check(kinds <= ({DATA} if object.kind == "data" else {TREE, LIST, HISTORY}), "a pack holds kinds that it must not")
        return plaintext

    @lru_cache(maxsize=1)  # noqa: B019
    def index(self) -> dict[bytes, list[Place]]:
        """The index of the commit (8): all segments in force, and the bundles at hand."""
        found: dict[bytes, list[Place]] = {}
        for source, body in self.bundles.items():
            for (_, id), where in directory(body, padded=False).items():
                found.setdefault(id[:16], []).append(Place(source, *where))
        for segment in self.segments.values():
            for id, place in index_segment(self.pack(segment.id), segment):
                found.setdefault(id, []).append(place)
        return found


class Node(NamedTuple):
    canonical: bytes
    hints: bytes
    source: bytes

    def places(self, count: int) -> list[Optional[Place]]:
        """7.1: hints decide nothing; where they are malformed there are none."""
        try:
            return hints(Cursor(self.hints), count, self.source)
        except Refused:
            return [None] * count


def index_segment(plain: bytes, said: Ref) -> Iterator[tuple[bytes, Place]]:
    end = len(plain) - 4 - int.from_bytes(plain[-4:], "little")
    check(len(plain) >= 4 and end >= 0, "an index segment without a trailer")
    c = Cursor(plain[end:-4])
    check(c.u(1) == 1, "an index segment of another version")
    count, packs, _ = c.varint(2**32), c.varint(2**24), c.u(1)
    c.end()
    blocks = -(-count // 496)
    table = 16384 * blocks
    after = table + 77 * packs
    lines = sum(max(1, -(-min(63488, count - first) * 10 // 512)) for first in range(0, count, 63488))
    fences, zeros = after + 64 * lines, after + 64 * lines + 8 * blocks
    check(zeros <= end and not any(plain[zeros:end]), "an index segment of another size than it says")
    ids, last = [plain[table + 77 * i:table + 77 * i + 32] for i in range(packs)], b""
    for i in range(count):
        at = i // 496 * 16384 + i % 496 * 33
        entry = plain[at:at + 33]
        check(last < entry, "an index segment out of order")
        last = entry
        if i % 496 == 0:
            check(plain[fences + i // 496 * 8:][:8] == entry[:8], "an index segment with wrong fences")
        c = Cursor(entry[16:])
        pack = c.u(4)
        check(pack < packs, "an index segment names a pack that it has not")
        yield entry[:16], Place(ids[pack], c.u(4), c.u(3), c.u(3), c.u(3))
