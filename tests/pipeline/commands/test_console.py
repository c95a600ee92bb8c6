import pytest

from leukodiff.pipeline.commands.console import progress_bar, show_table


def test_a_table_is_whole_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("a title", ("slide", "cells"), [("[/b] x", 7), ("y" * 100, None)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["a", "title"] in lines
    assert ["[/b]", "x", "7"] in lines
    assert ["y" * 100] in lines


def test_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("", ("slide", "cells"), [])
    assert capsys.readouterr().out.split()[:2] == ["slide", "cells"]


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("fields") as advance:
        assert advance is None
    assert capsys.readouterr() == ("", "")


def test_progress_shows_done_and_total(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with progress_bar("fields") as advance:
        assert advance is not None
        advance(1, 2, "smear [/b]")
        advance(2, 2, "smear [/b]")
    out, err = capsys.readouterr()
    assert out == ""
    assert "smear [/b]" in err
    assert "2/2" in err
