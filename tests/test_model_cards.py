"""A model card says what the metadata and the results say, and nothing else."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from laboratories_page import laboratories_section
from model_cards import NOT_MEASURED, SHIPPED, card
from results_page import load_figures, page

from leukodiff.datasets.leave_one_out import HELD_OUT, LEFT_OUT
from leukodiff.runtime.metadata import ModelMetadata, metadata_path, read_metadata

DOCS = Path(__file__).parents[1] / "docs"
KINDS = sorted(SHIPPED)


def shipped(kind: str) -> ModelMetadata:
    return read_metadata(metadata_path(SHIPPED[kind]))


def written(kind: str) -> str:
    return (DOCS / "models" / f"{kind}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_written_from_metadata_and_results(kind):
    assert written(kind) == card(shipped(kind), DOCS), "run: python benchmarks/model_cards.py"


def test_the_results_page_is_written_from_the_results():
    figures = load_figures(DOCS / "results")
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    assert text == page(figures), "run: python benchmarks/results.py --page"


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_names_version_checksum_classes_and_every_data_set(kind):
    facts, text = shipped(kind), written(kind)
    assert f"# Model card: {facts.name}, version {facts.version}\n" in text
    assert facts.sha256 in text
    assert ", ".join(facts.classes) in text
    assert facts.command in text
    for one in facts.training_data:
        assert str(one.get("cells") or one.get("fields")) in text
        assert one.get("citation", "") in text


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_card_links_to_is_there(kind):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", written(kind))
    assert links
    assert [link for link in links if not (DOCS / "models" / link).exists()] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"version": "99"}, id="version"),
        pytest.param({"sha256": "f" * 64}, id="weights"),
        pytest.param({"training_data": ({"name": "lisc", "split": "train"},)}, id="data"),
        pytest.param({"command": "another"}, id="command"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_another_model_needs_another_card(kind, change):
    assert card(replace(shipped(kind), **change), DOCS) != written(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_without_results_the_card_names_the_lack(kind, tmp_path):
    text = card(shipped(kind), tmp_path)
    assert text.count(NOT_MEASURED) >= 4
    assert shipped(kind).sha256 in text


def results_of(tmp_path: Path, kind: str, sha256: str, part: str) -> Path:
    """A tree of documents with one table of laboratories in it, of one row."""
    share = {"n": 4, "share": 0.75, "low": 0.19, "high": 0.99}
    macro = {"classes": 1, "value": None, "low": None, "high": None}
    recall: dict[str, Any] = {"neutrophil": {"recall": share, "precision": share, "f1": 0.8}}
    figures: dict[str, Any] = {
        "n": 4,
        "macro_f1": macro,
        "macro_f1_named": macro,
        "accuracy": share,
        "calibration_error": 0.1,
    }
    figures |= {"unidentified": share, "right_of_named": share, "classes": recall}
    row: dict[str, Any] = {"laboratory": "mine", "part": part, "slide": "", "sha256": sha256}
    row |= {"trained_on": ["x"], "all_classes": figures, "five_classes": figures}
    row |= {"fields": 4, "recall": share, "precision": share, "extra": 1}
    folder = tmp_path / "results" / "laboratories" / kind
    folder.mkdir(parents=True)
    (folder / "laboratories.json").write_text(json.dumps({"rows": [row]}))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_laboratory_left_out_stands_in_the_card(kind, tmp_path):
    docs = results_of(tmp_path, kind, "of a fold", LEFT_OUT)
    assert "| mine | left out | 4 |" in card(shipped(kind), docs)


@pytest.mark.parametrize(
    ("sha256", "there"),
    [
        pytest.param(shipped("classifier").sha256, True, id="of this model"),
        pytest.param("0" * 64, False, id="of another version"),
    ],
)
def test_figures_of_another_version_stay_out_of_the_card(tmp_path, sha256, there):
    docs = results_of(tmp_path, "classifier", sha256, HELD_OUT)
    assert ("| mine | held out |" in card(shipped("classifier"), docs)) is there


def test_results_of_other_weights_are_left_out(tmp_path):
    shutil.copytree(DOCS / "results" / "detector", tmp_path / "results" / "detector")
    facts = shipped("detector")
    assert "BCCD, official labels" in card(facts, tmp_path)
    assert "BCCD, official labels" not in card(replace(facts, sha256="0" * 64), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_section_of_laboratories(kind, tmp_path):
    assert laboratories_section({}) == ""
    figures = load_figures(results_of(tmp_path, kind, "s", LEFT_OUT) / "results")
    text = laboratories_section(figures)
    assert "## Laboratories it has never seen" in text
    assert "| mine | left out | 4 |" in text
