"""What a worker is message travels with it, and a node that is not fit says why."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leukodiff.classifier.infer import SHIPPED
from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import load_models
from leukodiff.pipeline.exports.bundle import ReportSettings
from leukodiff.pipeline.report.reference_ranges import adult
from leukodiff.pipeline.runs.analyze import AnalyzeSettings
from leukodiff.pipeline.runs.cluster import ClusterSettings
from leukodiff.pipeline.runs.cluster.stores import output_store


def test_report_settings_need_no_file_of_the_driver(tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text("slide_id,sample_id\ns1,H 26\n")
    settings = ReportSettings(samples=samples)
    settings.check(["s1"])
    sent = pickle.dumps(settings)
    samples.unlink()
    got: ReportSettings = pickle.loads(sent)
    assert got.sample_of("s1").sample_id == "H 26"
    assert got.profile.sha256 == adult().sha256


@pytest.fixture
def config(tmp_path: Path) -> Any:
    pytest.importorskip("ray", reason="Ray is not installed: the `cluster` extra brings it")
    from leukodiff.pipeline.runs.cluster.run import worker_config

    goes_to = output_store(tmp_path / "out")
    goes_to.prepare()
    settings = AnalyzeSettings(classifier=SHIPPED)
    return worker_config(settings, ClusterSettings(), goes_to, load_models(workers=1))


def started(config: Any) -> Any:
    from leukodiff.pipeline.runs.cluster.worker import Worker

    worker = Worker(config)
    worker.ready()
    return worker


def test_model_files_are_sent_along(config: Any) -> None:
    assert set(config.files) == {"classifier"}
    worker = started(config)
    written = worker.scratch.path
    assert (written / "classifier" / SHIPPED.name).read_bytes() == SHIPPED.read_bytes()
    worker.close()
    assert not written.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"version": "0.0.1"}, "has leukodiff .*, the run 0.0.1", id="version"),
        pytest.param({"run_marker": Path("/no/such/mark")}, "does not see .*out", id="output"),
        pytest.param({"models": ()}, "has other models", id="models"),
    ],
)
def test_a_node_that_is_not_fit_gives_the_reason(
    config: Any, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        started(replace(config, **change))
