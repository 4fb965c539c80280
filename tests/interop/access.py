"""Who may do what: opens and verifies the access chain (4.4, 4.5, 4.7 of docs/format.md) and hands out the vault's keys."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from objects import (FORKED, MIB, NEWER, NO_KEY, Cursor, Member, Object, Refused, aead, blake, check, derive, make_slot, read,
                     signed, slot_keys, sound_key, u32, unseal)

WRITER, ADMIN = 2, 3


class PasswordEntry(NamedTuple):
    id: bytes
    salt: bytes
    cost: tuple[int, int, int]
    commitment: bytes
    sealed: bytes


class Person(NamedTuple):
    kind: int
    role: int
    pair: bytes
    entry: bytes

    @property
    def id(self) -> bytes: return derive("member-id", self.pair)[:16]


@dataclass
class Version:
    id: bytes
    n: int
    epoch: int
    public: bytes
    keyring: bytes
    parents: list[tuple[bytes, bytes]]
    members: list[Person]
    frontier: list[bytes]
    signer: bytes
    features: list[str]

    def role(self, sign_pk: bytes) -> int: return next((m.role for m in self.members if m.pair[1216:] == sign_pk), 0)
    def admin(self, member: bytes) -> Optional[Person]: return next((m for m in self.members if m.role == ADMIN and m.id == member), None)


@dataclass
class Public:
    """The part of an access version that is not sealed, and what follows it."""
    raw: bytes
    n: int
    epoch: int
    entries: list[bytes]
    slots: list[bytes]
    notice: bytes
    sealed: bytes


class Access:
    """The access chain of a vault, as far as one member can open it."""
    def __init__(self, genesis: bytes, listed: list[Object], seeds: Callable[[Public], list[bytes]]) -> None:
        self.genesis, self.vault, self.root = genesis, blake(genesis), genesis[23:1271]
        self.versions: dict[bytes, Version] = {}
        self.epochs: dict[int, list[bytes]] = {}
        self.s0, self.suspects = b"", set[bytes]()
        self.opened: dict[bytes, bytes] = {}  # by whose keys
        named, strange = set(), []
        for object in sorted(listed, key=lambda o: -int(o.name["n"])):
            if object.id in named:
                continue
            try:
                public = self.public(object)
                opened = self.open(public, object, seeds(public))
            except Refused as refused:
                if refused.code == NEWER:
                    raise
                continue  # counts as absent (4.7)
            if opened:
                named |= {parent for version in self.versions.values() for _, parent in version.parents}
            else:
                strange.append(public)
        check(bool(self.versions), "no access version opens: wrong password or words, or the vault is damaged", NO_KEY)
        self.force = self.settle()
        check(self.opened[self.force.id] in {m.pair for m in self.force.members}, "this key is no member's any more", NO_KEY)
        for public in strange:
            admins = [self.root] + [m.pair for m in self.force.members if m.role == ADMIN]
            check(not any(signed("notice", self.vault, blake(public.raw), public.notice, pair[1216:]) for pair in admins),
                  f"access version {public.n} was made by an admin without this key: it was removed", NO_KEY)

    def public(self, object: Object) -> Public:
        outer = Cursor(read(object))
        check(outer.take(8) == b"CSYNACC\1", "not an access version")
        raw, notice = outer.take(outer.u(4)), outer.take(64)
        sealed = outer.data[outer.at:]
        c = Cursor(raw)
        check(c.blob(4096) == self.genesis, "an access version of another vault")
        n, epoch = c.varint(10**8 - 1), c.varint(2**32 - 1)
        public = Public(raw, n, epoch, c.many(8, lambda: c.take(152)), c.many(512, lambda: c.take(1200)), notice, sealed)
        c.end()
        check(len(public.slots) % 8 == 0 and n == int(object.name["n"]), "an access version not as it is named")
        return public

    def open(self, public: Public, object: Object, seeds: list[bytes]) -> bool:
        """Whether a slot opens for one of the seeds; then everything inside has been verified, or it is refused."""
        for member in map(Member, seeds):
            for i, slot in enumerate(public.slots):
                k, c = slot_keys(member.decapsulate(slot[:1120]), slot[:1120], member.kem_pk, self.vault, public.epoch, i)
                if c == slot[1120:1152]:
                    secret = aead(k, bytes(24), slot[1152:])
                    plaintext = unseal(public.sealed, self.vault, "access", object.name["n"], [secret])
                    version = self.verify(public, secret, plaintext)
                    self.opened[version.id] = member.kem_pk + member.sign_pk
                    return True
        return False

    def verify(self, public: Public, secret: bytes, plaintext: bytes) -> Version:
        check(int.from_bytes(public.sealed[8:12], "little") == public.epoch, "an access version sealed for another epoch")
        outer = Cursor(plaintext)
        c = Cursor(outer.take(outer.u(4)))
        outer.zeros()
        pairs = c.many(64 * MIB, lambda: c.take(1248))
        check(len(set(pairs)) == len(pairs), "a pair of keys twice in a chain")
        chain = c.many(MIB, lambda: (c.blob(), c.take(64)))
        keyring, used = c.data[c.at:], list[bytes]()
        versions: dict[bytes, Version] = {}
        for short, signature in chain:
            version, body = self.body(short, pairs, used)
            self.follows(version, body, signature, versions)
            versions[version.id] = version
        check(bool(chain) and used == pairs, "the list of keys of a chain is not that of its members")
        check(ancestry(versions, [version.id]) == set(versions), "a chain with versions that the last does not descend from")
        pair = next((m.pair for v in versions.values() for m in v.members if m.id == version.signer), self.root)
        check(signed("notice", self.vault, blake(public.raw), public.notice, pair[1216:]), "the notice of an access version is wrong")
        check(not version.features, f"the vault needs what this reader does not know: {version.features}", NEWER)
        check((version.n, version.epoch, version.public, version.keyring) == (public.n, public.epoch, blake(public.raw), blake(keyring)),
              "an access version that is not what was signed")
        s0 = c.take(32)
        keys = c.many(MIB, lambda: (c.varint(2**32 - 1), c.take(32)))
        c.end()
        check(keys == sorted(set(keys)) and all(e < public.epoch for e, _ in keys), "a keyring out of order")
        check(not self.s0 or s0 == self.s0, "two versions with different secrets")
        self.s0 = s0
        self.versions |= versions
        for epoch, key in keys + [(public.epoch, secret)]:
            if key not in self.epochs.setdefault(epoch, []):
                self.epochs[epoch].append(key)
        if not self.slots_right(public, version, secret):
            self.suspects.add(version.id)
        return version

    def slots_right(self, public: Public, version: Version, secret: bytes) -> bool:
        """4.3: the list of slots is a function of what is known now. Who made it could have left somebody out."""
        for i, slot in enumerate(public.slots):
            place = secret + self.vault + u32(public.n) + u32(public.epoch) + u32(i)
            if i < len(version.members):
                kem_pk, inside = version.members[i].pair[:1216], secret
            else:
                dummy = derive("dummy-slot", place, 64)
                kem_pk, inside = Member(dummy[:32]).kem_pk, dummy[32:]
            if slot != make_slot(kem_pk, inside, derive("encapsulate", place + blake(kem_pk), 64), self.vault, public.epoch, i):
                return False
        wanted = [m.entry for m in version.members if m.kind == 1]
        return len(public.slots) == -(-len(version.members) // 8) * 8 and [e[:16] for e in public.entries] == wanted

    def body(self, short: bytes, pairs: list[bytes], used: list[bytes]) -> tuple[Version, bytes]:
        def member() -> Person:
            start = c.at
            kind, role = c.u(1), c.u(1)
            full.append(short[start:c.at])
            pair = pairs[c.varint(len(pairs) - 1)]
            if pair not in used:
                used.append(pair)
            start = c.at
            _, entry = c.text(255), c.take(16)
            full.extend((pair, short[start:c.at]))
            check(1 <= kind <= 4 and 1 <= role <= 3 and (kind == 1 or entry == bytes(16)), "a malformed member")
            return Person(kind, role, pair, entry)
        c, full = Cursor(short), []
        n, epoch, public, keyring = c.varint(10**8 - 1), c.varint(2**32 - 1), c.take(32), c.take(32)
        parents = c.many(64, lambda: (c.take(32), c.take(32)))
        c.time()
        features = c.many(64, lambda: c.text(255))
        count = c.varint(256)
        full.append(short[:c.at])
        members = [member() for _ in range(count)]
        start = c.at
        frontier, _, signer = c.ids(), c.text(1024), c.take(16)
        c.end()
        body = b"".join(full) + short[start:]
        return Version(derive("access", self.vault + body), n, epoch, public, keyring, parents, members, frontier, signer, features), body

    def follows(self, v: Version, body: bytes, signature: bytes, versions: dict[bytes, Version]) -> None:
        """4.5: that a version may follow its parents, which come before it."""
        ids = [m.id for m in v.members]
        check(len(set(ids)) == len(ids), "a member twice")
        check([(m.pair, m.role) for m in v.members if m.kind == 2] == [(self.root, ADMIN)], "not exactly one recovery member, the root")
        check(all(sound_key(m.pair) for m in v.members), "a member with a key that nobody may use")
        check(v.parents == sorted(v.parents) and all(p in versions for p, _ in v.parents), "a version before its parents")
        check(v.id not in versions, "a version twice")
        parents = [versions[p] for p, _ in v.parents]
        root = Person(2, ADMIN, self.root, bytes(16))
        signer: Optional[Person] = root if v.signer == root.id else None
        if not parents:
            check(v.n == v.epoch == 1 and not versions and signer is not None, "a first version that is none")
        else:
            top = max(p.epoch for p in parents)
            check(v.n == 1 + max(p.n for p in parents), "a version with a wrong number")
            check(v.epoch == top + 1 or (v.epoch == top and len(parents) == 1), "a version with a wrong epoch")
            cut = any(cut_off(versions, a.id, b.id) and cut_off(versions, b.id, a.id) for a in parents for b in parents if a is not b)
            if signer is None and not cut and all(p.admin(v.signer) for p in parents):
                signer = parents[0].admin(v.signer)
        right = signer is not None and signed("access", self.vault, body, signature, signer.pair[1216:])
        check(right, "a version that no admin has signed")

    def settle(self) -> Version:
        """4.7: the version in force. Branches that are cut off by others are left out."""
        v = self.versions
        ends = [e for e in v if not any(e == p for x in v.values() for p, _ in x.parents)]
        kept = [e for e in ends if not any(cut_off(v, e, f) and not cut_off(v, f, e) for f in ends if f != e)] or ends
        check(len(kept) == 1, f"the access chain has forked into {len(kept)} versions", FORKED)
        self.versions = {id: v[id] for id in ancestry(v, kept)}
        return v[kept[0]]


def password_entry(raw: bytes) -> PasswordEntry:
    c = Cursor(raw)
    e = PasswordEntry(c.take(16), c.take(32), (c.u(4), c.u(4), c.u(4)), c.take(32), c.take(48))
    check(c.take(12) == bytes(12), "a password entry with something in its padding")
    m, t, p = e.cost
    check(65536 <= m <= 2097152 and 3 <= t <= 64 and 1 <= p <= 64, f"a password entry that costs {e.cost} is refused")
    return e


def seed_by_password(vault: bytes, e: PasswordEntry, password: bytes) -> Optional[bytes]:
    m, t, p = e.cost
    a = Argon2id(salt=e.salt, length=32, iterations=t, lanes=p, memory_cost=m).derive(password)
    both = derive("password", a + vault + e.id + u32(m) + u32(t) + u32(p), 64)
    return aead(both[:32], bytes(24), e.sealed) if both[32:] == e.commitment else None


def ancestry(versions: dict[bytes, Version], ids: list[bytes]) -> set[bytes]:
    found, todo = set(), list(ids)
    while todo:
        id = todo.pop()
        if id not in found:
            found.add(id)
            todo.extend(p for p, _ in versions[id].parents)
    return found


def cut_off(versions: dict[bytes, Version], end: bytes, other: bytes) -> bool:
    """4.7: whether the branch up to `end` is cut off by the one up to `other`."""
    theirs = ancestry(versions, [other])
    branch, against = ancestry(versions, [end]) - theirs, theirs - ancestry(versions, [end])
    first = [versions[id] for id in branch if all(p in theirs for p, _ in versions[id].parents)]
    return bool(first) and all(any(not versions[o].admin(v.signer) for o in against) for v in first)
