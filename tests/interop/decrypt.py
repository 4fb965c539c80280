#!/usr/bin/env python3
"""An independent reader of vaults, written from docs/format.md alone; the numbers in comments are its sections.

    decrypt.py VAULT (--password-file FILE | --words-file FILE) [--vault-id ID] [--ignore-hints] info | ls | manifest | cat PATH

VAULT is a directory. All that is read is verified before it is used; what is not understood is refused, with the document's exit
code or 1. Nothing is written or remembered: that a whole vault was rolled back cannot be seen. Two things are refused that the
format allows: trees that have to be merged entry by entry (10.4), and forks of the access chain that nobody has settled (4.7).
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import Iterator, NamedTuple, Optional

from blake3 import blake3
from mnemonic import Mnemonic

from access import Access, Public, password_entry, seed_by_password
from log import DATA, LIST, TREE, Log
from objects import FORKED, MIB, PATH, U64, Cursor, Place, Refused, base32, blake, check, listing, read
from records import Record, Totals, is_path

FILE, DIRECTORY, LINK = 1, 2, 3


class Entry(NamedTuple):
    kind: int
    size: int
    time: tuple[int, int]
    mode: Optional[int]
    tag: int
    content: bytes
    conflict: bool
    place: Optional[Place] = None


# ---- 9: trees ----

def path_of(key: bytes) -> bytes:
    """9.1. Nothing that a path may not be gets out of here."""
    parts = key.split(b"\0")
    names, marks = [p[1:] for p in parts[1:]], [p[:1] for p in parts[1:]]
    path = b"/".join(names)
    right = parts[0] == b"" and marks == [b"\2"] * (len(marks) - 1) + [b"\1"] and not any(b"/" in name for name in names)
    check(right and is_path(path), "a path that is none", PATH)
    return path


def key_of(path: bytes) -> bytes:
    *above, name = path.split(b"/")
    return b"".join(b"\0\2" + part for part in above) + b"\0\1" + name


def entry(c: Cursor) -> Entry:
    kind, size, time, mode, tag = c.u(1), c.varint(), c.time(), c.varint(0o10000), c.u(1)
    check(FILE <= kind <= LINK and tag <= 4, "an entry of an unknown kind")
    content = b"" if tag == 0 else c.take(32) if tag in (2, 3) else c.blob(512 if tag == 1 else 32768)
    attributes = c.many(256, lambda: (c.varint(), c.blob(16384)))
    check(all(a < b for (a, _), (b, _) in zip(attributes, attributes[1:])), "attributes out of order")
    check(sum(len(value) for _, value in attributes) <= 16384, "attributes are too long")
    if kind == FILE:
        wanted = (0,) if size == 0 else (1,) if size <= 512 else (2, 3)
        check(tag in wanted and (tag != 1 or len(content) == size), "a file whose content does not fit its size")
    else:
        check(size == 0 and tag == (0 if kind == DIRECTORY else 4) and (len(content) > 0 or tag == 0),
              "content of an entry that can have none")
    conflict = dict(attributes).get(5)
    if conflict is not None:
        lost = Cursor(conflict)
        name = lost.blob(255)
        lost.take(32)
        lost.end()
        check(kind != DIRECTORY and name not in (b"", b".", b"..") and not set(name) & set(b"\0/"), "a malformed conflict copy")
    return Entry(kind, size, time, mode - 1 if mode else None, tag, content, conflict is not None)


class Tree:
    def __init__(self, log: Log, head: Record) -> None:
        self.log, self.head = log, head

    def entries(self, wanted: Optional[bytes] = None) -> Iterator[tuple[bytes, Entry]]:
        """All entries by key, or the one whose key is wanted."""
        yield from self.walk(self.head.root, self.head.root_place, self.head.totals, None, (b"", None), wanted)

    def walk(self, id: bytes, place: Optional[Place], said: Totals, level: Optional[int], span: tuple[bytes, Optional[bytes]],
             wanted: Optional[bytes]) -> Iterator[tuple[bytes, Entry]]:
        """The entries below a node whose keys lie behind the first of `span` and end with the second, if its parent said so."""
        node = self.log.node(TREE, id, place)
        c, key, last = Cursor(node.canonical), b"", span[0]
        own, leaves, inner = c.u(1), list[Entry](), list[tuple[bytes, Totals]]()
        check(own == level if level is not None else own < 16, "a node of another level than its place")
        keys = []
        for _ in range(c.varint(65536)):
            shared, suffix = c.varint(len(key)), c.blob(40000)
            check(suffix > key[shared:] and suffix[:1] != key[shared:shared + 1], "keys do not ascend, or share more than is said")
            key = key[:shared] + suffix
            check(key > last, "keys do not ascend")
            keys.append(last := key)
            if own == 0:
                leaves.append(entry(c))
            else:
                inner.append((c.take(32), Totals(c.varint(), c.varint(), c.varint())))
        c.end()
        check(bool(keys) or (own == 0 and level is None), "an empty node")
        check(span[1] is None or key == span[1], "a node does not end with the key that its parent says")
        sums = [Totals(1, e.size, e.conflict) for e in leaves] + [totals for _, totals in inner]
        entries, size, conflicts = (sum(column) for column in zip(*sums)) if sums else (0, 0, 0)
        check(Totals(entries, min(size, U64), conflicts) == said, "a node is not what its parent says")
        has = [i for i in range(len(keys)) if own > 0 or leaves[i].tag in (2, 3)]
        places = dict(zip(has, node.places(len(has))))
        for i, key in enumerate(keys):
            if wanted is not None and key < wanted:
                continue
            if own > 0:
                id, totals = inner[i]
                yield from self.walk(id, places[i], totals, own - 1, (keys[i - 1] if i else span[0], key), wanted)
            elif wanted is None or key == wanted:
                yield path_of(key), leaves[i]._replace(place=places.get(i))
            if wanted is not None:
                return

    def content(self, e: Entry) -> Iterator[bytes]:
        if e.tag == 1:
            yield e.content
        elif e.tag == 2:
            yield self.chunk(e.content, e.place, e.size)
        elif e.tag == 3:
            yield from self.chunks(e.content, e.place, e.size, None)

    def chunk(self, id: bytes, place: Optional[Place], size: int) -> bytes:
        data = self.log.blob(DATA, id, place)[0]
        check(len(data) == size, "a chunk is not as long as said")
        return data

    def chunks(self, id: bytes, place: Optional[Place], size: int, level: Optional[int]) -> Iterator[bytes]:
        node = self.log.node(LIST, id, place)
        c = Cursor(node.canonical)
        own = c.u(1)
        check(own == level if level is not None else own < 16, "a chunk list of another level than its place")
        items = c.many(1024, lambda: (c.take(32) if own > 0 or c.u(1) == 0 else None, c.varint()))
        c.end()
        check(not any(a is None and b is None for (a, _), (b, _) in zip(items, items[1:])), "two holes are one")
        check(all(length for _, length in items) and sum(length for _, length in items) == size, "a chunk list of another length than said")
        places = iter(node.places(sum(id is not None for id, _ in items)))
        for id, length in items:
            if id is None:
                yield from (bytes(min(MIB, length - at)) for at in range(0, length, MIB))
            elif own > 0:
                yield from self.chunks(id, next(places), length, own - 1)
            else:
                yield self.chunk(id, next(places), length)


def tree(log: Log) -> Record:
    """10.4, as far as whole trees decide: where of two heads one has the tree of their base, the result is the other's."""
    parents = {p for id in log.counting for p in log.records[id].parents}
    heads = sorted((log.records[id] for id in log.counting - parents), key=lambda r: (r.lamport, r.writer), reverse=True)
    check(bool(heads), "the vault has no record", 1)
    result, merged = heads[0], log.ancestry([heads[0].id])
    for head in heads[1:]:
        own = log.ancestry([head.id])
        common = own & merged
        inner = {p for id in common for p in log.records[id].parents}
        roots = {log.records[id].root for id in common - inner}
        merged |= own
        if head.root != result.root and roots != {head.root}:
            check(roots == {result.root}, "several heads have changed different things: run cryptsync to merge them", FORKED)
            result = head
    return result


# ---- what people ask for ----

def genesis(vault: str, objects: dict, pin: Optional[str]) -> bytes:
    found = [read(o) for o in objects.values() if o.kind == "vault" and pin in (None, base32(o.id))]
    check(len(found) == 1, f"{vault} has {len(found)} vaults of this id" if pin else f"{len(found)} vaults are in {vault}", 29)
    c = Cursor(found[0])
    check(c.take(9) == b"CSYNVLT\1\1", "a vault of another version or suite", 25)
    chunker, least, mean, most, padding = c.u(1), c.u(4), c.u(4), c.u(4), c.u(1)
    c.take(1216 + 32 + 32)
    c.end()
    check(chunker in (1, 2) and padding == 1 and 64 <= least <= mean <= most <= 8 * MIB, "a chunker or padding that is unknown", 25)
    check(chunker == 1 or least == most, "a fixed chunker whose lengths differ", 25)
    return found[0]


def secrets(options: argparse.Namespace, vault: bytes):
    """What makes the seeds to try with an access version (4.1, 4.4)."""
    with open(options.password_file or options.words_file, "rb") as file:
        text = file.read()
    if options.words_file:
        words = text.decode().split()
        check(len(words) == 24, "the recovery words are 24", 1)
        seed = bytes(Mnemonic("english").to_entropy(words))
        return lambda public: [seed]
    known: dict = {}

    def seeds(public: Public) -> list[bytes]:
        for e in public.entries:
            if e not in known:
                try:
                    known[e] = seed_by_password(vault, password_entry(e), text.rstrip(b"\r\n"))
                except Refused as refused:
                    print(f"warning: {refused}", file=sys.stderr)
                    known[e] = None  # the others may do
        return list({seed for seed in known.values() if seed})
    return seeds


def escaped(text: bytes) -> str:
    short = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
    return "".join(short.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in text)


def line(t: Tree, path: bytes, e: Entry) -> str:
    """As in tests/golden/v1/manifest."""
    if e.kind == LINK:
        return f"{escaped(path)}\tlink {escaped(e.content)}"
    about = f"{'?' if e.mode is None else format(e.mode, '04o')} {e.time[0]}.{e.time[1]:09}"
    if e.kind == DIRECTORY:
        return f"{escaped(path)}\tdir {about}"
    hasher = blake3()
    for piece in t.content(e):
        hasher.update(piece)
    return f"{escaped(path)}\tfile {about} {e.size} {hasher.hexdigest()}"


def main() -> None:
    parser = argparse.ArgumentParser(description="An independent reader of vaults.")
    parser.add_argument("vault")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--password-file")
    secret.add_argument("--words-file")
    parser.add_argument("--vault-id", help="refuse any other vault")
    parser.add_argument("--ignore-hints", action="store_true", help="find everything through the index")
    parser.add_argument("command", choices=["info", "ls", "manifest", "cat"])
    parser.add_argument("path", nargs="?")
    options = parser.parse_args()
    if (options.command == "cat") != (options.path is not None):
        parser.error("cat wants a path, nothing else does")
    objects = listing(options.vault)
    start = genesis(options.vault, objects, options.vault_id)
    access = Access(start, [o for o in objects.values() if o.kind == "access"], secrets(options, blake(start)))
    if access.force.id in access.suspects:
        print("warning: the slots of the newest access version are not those of its members", file=sys.stderr)
    log = Log(access, objects, not options.ignore_hints)
    if options.command == "info":
        print(f"vault {base32(access.vault)}\naccess {access.force.n}\nrecords {len(log.counting)}\nfolded {len(log.folded)}")
        return
    t = Tree(log, tree(log))
    if options.command == "cat":
        path = os.fsencode(options.path)
        e = next((e for _, e in t.entries(key_of(path))), None)
        if e is None or e.kind != FILE:
            raise Refused(3, f"no such file: {options.path}")
        for piece in t.content(e):
            sys.stdout.buffer.write(piece)
    elif options.command == "ls":
        for path, e in t.entries():
            print(f"{'-fdl'[e.kind]} {e.size:>12} {escaped(path)}")
    else:
        print("\n".join(sorted(line(t, path, e) for path, e in t.entries())))


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except Refused as refused:
        print(f"decrypt.py: {refused}", file=sys.stderr)
        sys.exit(refused.code)
