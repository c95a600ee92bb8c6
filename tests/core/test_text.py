import pytest

from leukodiff.core.text import markdown_table, printable, share_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("Blut, 3. Mai é/β.tif", "Blut, 3. Mai é/β.tif", id="accents and commas"),
        pytest.param("a\x1b[31mb\n", "a?[31mb?", id="steers a terminal"),
        pytest.param("a\u202eb", "a?b", id="turns the direction"),
        pytest.param("a\udcffb", "a?b", id="a byte that is no text"),
    ],
)
def test_foreign_text_becomes_printable(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text, "_") == expected.replace("?", "_")


def test_a_markdown_table() -> None:
    assert markdown_table(["a", "b"], [[1, ""]]) == "| a | b |\n| --- | --- |\n| 1 |  |"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, ""),
        ({"n": 0, "share": None, "low": None, "high": None}, ""),
        ({"n": 10, "share": 0.971, "low": 0.95, "high": 0.985}, "97.1 % (95.0-98.5)"),
    ],
)
def test_a_share_as_text(share: dict[str, float | None] | None, text: str) -> None:
    assert share_text(share) == text
