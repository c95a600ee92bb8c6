"""A good file's bytes -> a bad one's, the same for the same seed.

Guidance by coverage (atheris) would need Pillow, OpenCV, libtiff and OpenSlide built for it; what
is new here are our own readers' assumptions, which are broken by value.
"""

import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any, Literal

Mutator = Callable[[bytes, random.Random], bytes]

WORDS_32 = (0, 1, 2, 255, 65535, 65536, 20_000, 100_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Values that overwrite lengths, counts and offsets."""

ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")

HEAD = 512
"""Half of the bytes that are changed lie this near to the start, where headers are."""

NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e999", "1e308", "9" * 5000, "0x10", "1_0", "٣", "")
JUNK = (
    "\0",
    "\r",
    "\n\n",
    '"',
    "'",
    "[",
    "]" * 3000,
    "[" * 3000,
    "{",
    "=",
    ",",
    ";",
    "\ufeff",
    "\ud7ff",
    "%s{}",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x"),
    *("../../x", "\0", "9" * 5000, [], {}, [[]], [None], {"": None}, "a\nb"),
)


def mutated(data: bytes, rng: random.Random, kind: str) -> bytes:
    """One to four changes of a file's content."""
    ways = WAYS[kind]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(ways)(data, rng)
    return data


def _place(data: bytes, rng: random.Random, room: int = 1) -> int:
    end = max(1, len(data) - room + 1)
    return rng.randrange(min(end, HEAD) if rng.random() < 0.5 else end)


def _most(size: int) -> int:
    """The largest number of so many bytes."""
    return (1 << 8 * size) - 1


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit turned over, or up to 16."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 16)) if data else 0):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    """Two or four bytes that a header may hold as a number."""
    size, order = rng.choice((2, 4)), rng.choice(ORDERS)
    at = _place(data, rng, size)
    number = (rng.choice(WORDS_32) & _most(size)).to_bytes(size, order)
    return data[:at] + number + data[at + size :]


def cut_off(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: _place(data, rng)]


def take_out(data: bytes, rng: random.Random) -> bytes:
    """A piece is missing."""
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 7, 64, 1000)) :]


def double(data: bytes, rng: random.Random) -> bytes:
    """A piece stands there twice."""
    at = _place(data, rng)
    end = at + rng.choice((1, 4, 64, 1000))
    return data[:end] + data[at:end] + data[end:]


def put_in(data: bytes, rng: random.Random) -> bytes:
    """Random bytes, or zeros."""
    at, n = _place(data, rng), rng.choice((1, 4, 64))
    return data[:at] + (bytes(n) if rng.random() < 0.3 else rng.randbytes(n)) + data[at:]


def tiff_entry(data: bytes, rng: random.Random) -> bytes:
    """One field of an entry of a TIFF's first directory."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or len(data) < 16:
        return overwrite(data, rng)
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[:4]
    head, entry = (8, 20) if big else (2, 12)
    start = int(struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0])
    if start + head > len(data):
        return overwrite(data, rng)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    at = start + head + entry * rng.randrange(max(1, min(count, 64)))
    field, size = rng.choice(((0, 2), (2, 2), (4, 4), (entry - 4, 4), (entry - 4, 2)))
    at += field
    few = (0, 1, 2, 3, 4, 5, 7, 8, 16, 32, 255, 65535)
    number = rng.choice(few if size == 2 else (*WORDS_32, len(data), len(data) - 1))
    raw = (number & _most(size)).to_bytes(size, "little" if order == "<" else "big")
    return data[:at] + raw + data[at + size :]


def png_header(data: bytes, rng: random.Random) -> bytes:
    """A PNG's size, depth or kind, with the checksum that goes with it."""
    if data[:4] != b"\x89PNG" or len(data) < 33:
        return overwrite(data, rng)
    head = bytearray(data[12:29])
    if rng.random() < 0.6:
        at = rng.choice((4, 8))
        head[at : at + 4] = rng.choice(WORDS_32).to_bytes(4, "big")
    else:
        head[rng.randrange(12, 17)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return data[:12] + bytes(head) + zlib.crc32(head).to_bytes(4, "big") + data[33:]


def word(data: bytes, rng: random.Random) -> bytes:
    """A piece of text between separators becomes a number or junk that nobody expects."""
    text = data.decode("utf-8", "replace")
    starts = [i + 1 for i, c in enumerate(text) if c in ',;\n= "[:'] or [0]
    at = rng.choice(starts)
    end = min((e for e in (text.find(c, at) for c in ',;\n"]') if e >= 0), default=len(text))
    new = rng.choice((*NUMBERS, *JUNK))
    return (text[:at] + new + text[end:]).encode("utf-8", "replace")


def line(data: bytes, rng: random.Random) -> bytes:
    """A line taken out, doubled, moved or made very long."""
    lines = data.split(b"\n")
    i = rng.randrange(len(lines))
    how = rng.randrange(4)
    if how == 0:
        del lines[i]
    elif how == 1:
        lines.insert(i, lines[i])
    elif how == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(i))
    else:
        lines[i] = lines[i] * rng.choice((2, 5000)) if len(lines[i]) < 100 else lines[i][::-1]
    return b"\n".join(lines)


def json_value(data: bytes, rng: random.Random) -> bytes:
    """A value somewhere in a JSON document becomes another, or goes, or comes twice."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, rng)
    top: list[Any] = [root]
    holder: Any = top
    key: Any = 0
    while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
        holder = holder[key]
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    how = rng.random()
    if how < 0.15 and isinstance(holder, dict):
        del holder[key]
    elif how < 0.25 and isinstance(holder, list) and holder is not top:
        holder.append(holder[key])
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(top[0]).encode()


BYTES: tuple[Mutator, ...] = (flip, overwrite, cut_off, take_out, double, put_in)
WAYS: dict[str, tuple[Mutator, ...]] = {
    "binary": BYTES,
    "image": (*BYTES, tiff_entry, tiff_entry, tiff_entry, png_header),
    "text": (word, word, word, line, flip, cut_off, put_in),
    "json": (json_value, json_value, json_value, json_value, word, cut_off, flip),
}
