"""Passwords that are quick to check: a second for each login is what they cost elsewhere."""

from collections.abc import Iterator
from functools import partial

import argon2
import pytest


@pytest.fixture(autouse=True, scope="session")
def quick_hashes() -> Iterator[None]:
    """Argon2 with the least work, unless a server runs in a process of its own."""
    least = partial(argon2.PasswordHasher, time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argon2, "PasswordHasher", least)
        yield
