"""The lower half of the reader: notation (1), keys (4), objects and packs (2, 6, 7) of docs/format.md. Reads single objects only."""
from __future__ import annotations

import base64, os, re, struct  # noqa: E401
from dataclasses import dataclass
from hashlib import sha3_256, shake_256
from typing import Callable, NamedTuple, Optional

import nacl.bindings as sodium
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from kyber_py.ml_kem import ML_KEM_768
from nacl.exceptions import CryptoError

U64, MIB = 2**64 - 1, 2**20
TAMPERED, FORKED, MISSING, NEWER, LARGE, PATH, NO_KEY = 20, 22, 24, 25, 26, 27, 28
NAME = re.compile(r"(?:(?P<genesis>vault/)|log/k(?P<n>\d{8})-|log/c(?P<lamport>\d{12})-(?P<tag>[a-z2-7]{16})-(?P<seq>\d{12})-"
                  r"|(?P<kind>data|meta|index)/(?P<x>[a-z2-7])/(?=(?P=x)))(?P<hash>[a-z2-7]{52})")
MOST = {"access": 4 * MIB, "log": 4 * MIB, "data": 256 * MIB, "meta": 256 * MIB, "index": 1024 * MIB}


class Refused(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def check(right: bool, text: str, code: int = TAMPERED) -> None:
    if not right:
        raise Refused(code, text)


# ---- 1: notation ----

def blake(x: bytes, n: int = 32) -> bytes: return blake3(x).digest(length=n)
def keyed(key: bytes, x: bytes, n: int = 32) -> bytes: return blake3(x, key=key).digest(length=n)
def derive(name: str, x: bytes, n: int = 32) -> bytes: return blake3(x, derive_key_context=context(name)).digest(length=n)
def context(name: str) -> str: return f"cryptsync 2026-11 v1 {name}"
def u32(n: int) -> bytes: return struct.pack("<I", n)
def u64(n: int) -> bytes: return struct.pack("<Q", n)
def lp(x: bytes) -> bytes: return u32(len(x)) + x
def base32(x: bytes) -> str: return base64.b32encode(x).decode().lower().rstrip("=")


class Cursor:
    """Takes structures apart. Whoever makes one ends it with `end`, so that nothing is left over."""
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        check(n <= len(self.data) - self.at, "a structure is cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, n: int) -> int: return int.from_bytes(self.take(n), "little")

    def varint(self, most: int = U64) -> int:
        value = 0
        for i in range(10):
            byte = self.u(1)
            value |= (byte & 127) << 7 * i
            if byte < 128:
                check(byte > 0 or i == 0, "a number is not in its shortest form")
                check(value <= most, "a number is beyond its limit")
                return value
        raise Refused(TAMPERED, "a number is too long")

    def blob(self, most: int = 4 * MIB) -> bytes: return self.take(self.varint(most))

    def text(self, most: int) -> str:
        try:
            return self.blob(most).decode()
        except UnicodeDecodeError as error:
            raise Refused(TAMPERED, "text that is not UTF-8") from error

    def many(self, most: int, one: Callable[[], object]) -> list: return [one() for _ in range(self.varint(most))]
    def ids(self, most: int = 2**20) -> list[bytes]: return self.many(most, lambda: self.take(32))
    def end(self) -> None: check(self.at == len(self.data), "a structure has bytes left over")
    def zeros(self) -> None: check(not any(self.take(len(self.data) - self.at)), "padding is not zero")

    def ascending(self, most: int) -> list[bytes]:
        ids = self.ids(most)
        check(all(a < b for a, b in zip(ids, ids[1:])), "ids do not ascend")
        return ids

    def time(self) -> tuple[int, int]:
        return self.svarint(), self.varint(10**9 - 1)

    def svarint(self) -> int:
        n = self.varint()
        return (n >> 1) ^ -(n & 1)


def aead(key: bytes, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad or None, nonce, key)
    except Exception as error:
        raise Refused(TAMPERED, "a seal is broken") from error


# ---- 4: members ----

class Member:
    """A member by its seed: X-Wing and Ed25519 keys (4.1)."""
    def __init__(self, seed: bytes) -> None:
        wide = shake_256(derive("member-kem", seed)).digest(96)
        self.mlkem, self.x25519 = MLKEM768PrivateKey.from_seed_bytes(wide[:64]), wide[64:]
        self.x_pk = sodium.crypto_scalarmult_base(self.x25519)
        self.kem_pk = self.mlkem.public_key().public_bytes_raw() + self.x_pk
        self.sign_pk = sodium.crypto_sign_seed_keypair(derive("member-sign", seed))[0]

    def decapsulate(self, ciphertext: bytes) -> bytes:
        mlkem, x = ciphertext[:1088], ciphertext[1088:]
        return combine(self.mlkem.decapsulate(mlkem), x25519(self.x25519, x), x, self.x_pk)


def x25519(secret: bytes, public: bytes) -> bytes:
    try:
        return sodium.crypto_scalarmult(secret, public)
    except (CryptoError, RuntimeError):
        return bytes(32)  # the library refuses what X-Wing does not


def combine(mlkem: bytes, x: bytes, ciphertext: bytes, x_pk: bytes) -> bytes:
    return sha3_256(mlkem + x + ciphertext + x_pk + b"\\.//^\\").digest()


def slot_keys(shared: bytes, ciphertext: bytes, kem_pk: bytes, vault: bytes, epoch: int, i: int) -> tuple[bytes, bytes]:
    both = derive("slot", lp(shared) + lp(ciphertext) + blake(kem_pk) + vault + u32(epoch) + u32(i), 64)
    return both[:32], both[32:]


def sound_key(pair: bytes) -> bool:
    """4.1: keys that may be used: a canonical point that is not of small order, and a key that ML-KEM takes."""
    one, add = bytes([1]) + bytes(31), sodium.crypto_core_ed25519_add
    try:
        MLKEM768PublicKey.from_public_bytes(pair[:1184])
        twice = add(pair[1216:], pair[1216:])
        return add(pair[1216:], one) == pair[1216:] and add(add(twice, twice), add(twice, twice)) != one
    except (CryptoError, ValueError):
        return False


def make_slot(kem_pk: bytes, secret: bytes, coins: bytes, vault: bytes, epoch: int, i: int) -> bytes:
    mlkem, ciphertext = ML_KEM_768._encaps_internal(kem_pk[:1184], coins[:32])
    x = sodium.crypto_scalarmult_base(coins[32:])
    ciphertext += x
    shared = combine(mlkem, x25519(coins[32:], kem_pk[1184:]), x, kem_pk[1184:])
    k, c = slot_keys(shared, ciphertext, kem_pk, vault, epoch, i)
    return ciphertext + c + sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(secret, None, bytes(24), k)


def signed(label: str, vault: bytes, message: bytes, signature: bytes, pk: bytes) -> bool:
    """4.6. Both libraries have to agree: libsodium refuses small orders and odd encodings, OpenSSL has no cofactor."""
    text = lp(context(f"sign {label}").encode()) + vault + message
    try:
        sodium.crypto_sign_open(signature + text, pk)
        Ed25519PublicKey.from_public_bytes(pk).verify(signature, text)
        return True
    except (InvalidSignature, CryptoError, ValueError):
        return False


# ---- 2, 6, 7: objects ----

@dataclass(frozen=True)
class Object:
    path: str
    kind: str  # the class of 6.1, or "vault"
    name: re.Match
    id: bytes

    @property
    def logical(self) -> str:
        return self.name["n"] or (f"{self.name['lamport']}-{self.name['seq']}" if self.kind == "log" else "")


def listing(root: str) -> dict[bytes, Object]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            match = NAME.fullmatch(os.path.relpath(path, root))
            if match:
                kind = "vault" if match["genesis"] else "access" if match["n"] else match["kind"] or "log"
                hashed = base64.b32decode(match["hash"].upper() + "====")
                found[hashed] = Object(path, kind, match, hashed)
    return found


def read(object: Object) -> bytes:
    size = os.path.getsize(object.path)
    check(size <= MOST.get(object.kind, MIB), f"{object.path} is larger than allowed", LARGE)
    with open(object.path, "rb") as file:
        data = file.read()
    check(blake(data) == object.id, f"{object.path} is not what its name says: the storage has altered it")
    return data


def unseal(data: bytes, vault: bytes, kind: str, logical: str, secrets: list[bytes]) -> bytes:
    """6.1. The commitment picks the key among those of the epoch."""
    check(len(data) >= 92 and data[:8] == b"CSYN\1\1\0\0", "not a sealed object")
    header, salt, commitment = data[:12], data[12:44], data[44:76]
    ctx = header + vault + lp(kind.encode()) + lp(logical.encode())
    for secret in secrets:
        keys = keyed(derive("object", secret), lp(ctx) + salt, 80)
        if keys[48:] == commitment:
            break
    else:
        raise Refused(TAMPERED, "no key fits the commitment of an object")
    out, starts = [], range(76, len(data), 65552)
    for i, start in enumerate(starts):
        last = i == len(starts) - 1
        nonce = keys[32:48] + struct.pack(">Q", i | last << 63)
        out.append(aead(keys[:32], nonce, data[start:start + 65552], header))
        check(len(out[-1]) > 0 or len(starts) == 1, "an empty segment")
    return b"".join(out)


class Ref(NamedTuple):
    id: bytes
    size: int
    epoch: int
    salt: bytes


class Place(NamedTuple):
    """A location (7). The object's size, epoch and salt are not needed by who reads it whole."""
    pack: bytes
    frame: int
    stored: int
    offset: int
    length: int


def ref(c: Cursor) -> Ref:
    return Ref(c.take(32), c.varint(), c.varint(2**32 - 1), c.take(32))


def hints(c: Cursor, count: int, source: bytes) -> list[Optional[Place]]:
    table = [source] + [r.id for r in c.many(MIB, lambda: ref(c))]
    places: list[Optional[Place]] = []
    for _ in range(count):
        p = c.varint(len(table))
        places.append(Place(table[p - 1], c.varint(), c.varint(), c.varint(), c.varint()) if p else None)
    return places


def directory(pack: bytes, padded: bool) -> dict[tuple[int, bytes], tuple[int, int, int, int]]:
    """7: what lies in a pack or bundle, and that nothing else does."""
    end = len(pack) - 4 - int.from_bytes(pack[-4:], "little")
    check(len(pack) >= 4 and end >= 0, "a pack without a directory")
    c, blobs, frame = Cursor(pack[end:-4]), {}, 0
    for _ in range(c.varint(MIB)):
        stored, offset, count = c.varint(2**24 - 1), 0, c.varint(MIB)
        check(count > 0 and stored > 0, "an empty frame")
        for _ in range(count):
            key = c.u(1), c.take(32)
            blobs[key] = frame, stored, offset, c.varint(8 * MIB)
            offset += blobs[key][3]
        frame += stored
    c.end()
    check(frame <= end and not any(pack[frame:end]) and (padded or frame == end), "a pack with something between its parts")
    return blobs


def unframe(frame: bytes) -> bytes:
    codec, payload = frame[0], frame[1:]
    check(codec in (0, 1), f"unknown codec {codec}")
    if codec == 0:
        return payload
    try:
        check(payload[:4] == zstandard.FRAME_HEADER, "a frame that is not zstd")
        size = zstandard.get_frame_parameters(payload).content_size
        check(size < 2**24, "a frame is too large, or does not say its size")
        return zstandard.ZstdDecompressor().decompress(payload, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(TAMPERED, "a frame does not decompress") from error
