"""What was refused, in a form that can do no harm in the record."""

from __future__ import annotations

from typing import Any

MOST_REFUSALS = 60
"""Refusals that one process notes in a minute."""

LONGEST = 300


def refusal(what: str, why: str, address: str, slide: str, left_out: int) -> dict[str, Any]:
    """The payload of a refusal: short printable texts, whatever an attacker sent."""
    said: dict[str, Any] = {"what": _plain(what), "why": _plain(why)}
    if address:
        said["address"] = _plain(address)
    if slide:
        said["slide"] = _plain(slide)
    if left_out:
        said["left_out"] = left_out
    return said


def _plain(text: str) -> str:
    plain = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return plain[:LONGEST]
