"""A cache keeps what was used last, within its bound."""

import pytest

from leukodiff.core.cache import Cache


@pytest.mark.parametrize(
    ("max_size", "kept"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(50, [2], id="one"),
        pytest.param(99, [0, 2], id="used"),
    ],
)
def test_the_cache_keeps_what_was_used_last(max_size: int, kept: list[int]) -> None:
    cache = Cache[bytes](max_size, len)
    for key in range(3):
        cache.put(key, bytes(40))
        cache.get(0)
    assert [key for key in range(3) if cache.get(key) is not None] == kept


def test_without_a_size_each_value_counts_one() -> None:
    cache = Cache[str](2)
    for key in "abc":
        cache.put(key, key.upper())
    assert [cache.get(key) for key in "abc"] == [None, "B", "C"]


def test_a_value_is_made_once_as_long_as_it_is_kept() -> None:
    cache, made = Cache[bytes](25, len), list[str]()

    def ask(key: str, size: int = 10) -> bytes:
        def make() -> bytes:
            made.append(key)
            return key.encode() * size

        return cache.get_or_make(key, make)

    for key in ("a", "b", "b", "c"):
        assert ask(key) == key.encode() * 10
    assert made == ["a", "b", "c"]
    ask("c")
    ask("a")
    assert made == ["a", "b", "c", "a"]
    assert len(ask("x", 100)) == len(ask("x", 100)) == 100
    assert made[4:] == ["x", "x"]  # larger than the cache
    ask("a")
    assert made[6:] == []


def test_a_value_that_could_not_be_made_is_tried_again() -> None:
    cache = Cache[int](2)

    def broken() -> int:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        cache.get_or_make("a", broken)
    assert cache.get_or_make("a", lambda: 1) == 1
