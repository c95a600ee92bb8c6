"""A run on a cluster: planned here, done by workers on its nodes, its tables written here."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from leukodiff.runtime.errors import InputError
from leukodiff.runtime.metadata import metadata_path

from ..batch.plan import Plan, not_to_be_mixed
from ..batch.progress import SCAN_STEPS, OnProgress
from ..batch.run import RUN, Run
from ..batch.settings import AnalyzeSettings
from ..batch.summary import RunSummary
from ..models import Models, load_models
from ..outcomes import SlideOutcome, failed_slide
from ..output import ERROR_LOG, SlideFolder, write_whole, writing
from ..report import DONE, one_line
from ..slides import Slide, find_slides, natural
from .crew import Crew, GivenUp, Work
from .depots import Depot, Record, depot
from .places import at
from .settings import LOCAL, ClusterSettings
from .worker import Made, Orders

log = logging.getLogger("leukodiff")

TABLES = ("slides.csv", "counts.csv")


def analyze_on_cluster(
    inputs: Sequence[Path | str],
    out: Path | str,
    settings: AnalyzeSettings | None = None,
    cluster: ClusterSettings | None = None,
    on_progress: OnProgress | None = None,
) -> RunSummary:
    """As `analyze`, on the nodes of a Ray cluster; inputs and output may be URLs (`s3://...`).

    Paths must mean the same on every node. What a node was doing when it died is done by another;
    a slide that costs three workers has failed.

    Raises:
        InputError: as `analyze`; there is no such cluster, or none of its nodes is fit for the run.
        OutputError: the output can't be written.
        ModelFileError: a model file is missing or damaged.
    """
    settings, cluster = settings or AnalyzeSettings(), cluster or ClusterSettings()
    place = at(out)
    slides = find_slides([at(one) for one in inputs], settings.per_image, leave_out=place)
    settings.report.check([slide.slide_id for slide in slides])
    goes_to = depot(place)
    models = load_models(settings.detector, settings.classifier, settings.engine, 1)
    orders = orders_for(settings, cluster, goes_to, models)
    with connected(cluster.address), prepared(goes_to):
        run = ClusterRun(slides, goes_to.tables, settings, models, depot=goes_to, orders=orders)
        try:
            to_do = run.plan().to_do
            with run.going():
                run.work(to_do, on_progress)
        finally:
            run.close()
    assert run.summary is not None  # noqa: S101  # `going` has set it
    return replace(run.summary, out=place)


@contextmanager
def prepared(goes_to: Depot) -> Iterator[None]:
    """The output, ready to be written to; nothing but results is left there afterwards."""
    try:
        goes_to.prepare()
        yield
    finally:
        goes_to.tidy()


def orders_for(
    settings: AnalyzeSettings, cluster: ClusterSettings, depot: Depot, models: Models
) -> Orders:
    """What the workers of a run are told.

    Raises:
        ModelFileError: a model file can't be read.
    """
    chosen = {"detector": settings.detector, "classifier": settings.classifier}
    return Orders(
        settings=settings,
        out=depot.out,
        mark=depot.mark,
        models=models.used,
        files={kind: _model_files(path) for kind, path in chosen.items() if path},
        threads=cluster.threads,
        share_from=cluster.share_from,
        version=version_of("leukodiff"),
    )


def _model_files(path: Path) -> Mapping[str, bytes]:
    return {one.name: one.read_bytes() for one in (path, metadata_path(path))}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Joins a Ray cluster for as long as the run lasts; one that was joined before stays so.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if address.startswith("ray://"):
        raise InputError(f"{address}: run it on a node of the cluster, without ray://")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray's own telemetry
    import ray

    ours = not ray.is_initialized()
    if ours:
        _join(address)
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    try:
        shown: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        own: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
        ray.init(address, **shown, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"--cluster {address}: no Ray cluster answers ({one_line(str(error))}); start one with "
            "`ray start --head`, or take --cluster=local"
        ) from error


@dataclass
class ClusterRun(Run):
    """One run on a cluster; `out` is the folder here where its tables are made."""

    depot: Depot = field(kw_only=True)
    orders: Orders = field(kw_only=True)

    def __post_init__(self) -> None:
        self._crew = Crew(self.orders, self.orders.threads)
        self._replaced: dict[str, Record | None] = {}

    def close(self) -> None:
        """Lets the workers go."""
        self._crew.close()

    def plan(self) -> Plan:
        """What is to be done; the workers read the files of what stands, to know if it may stay."""
        found, standing = Plan(), list[Work]()
        for slide in self.slides:
            record = SlideFolder(self.out, slide.slide_id).record()
            self._replaced[slide.slide_id] = record
            if slide.problem:
                outcome = failed_slide(slide, slide.problem, unreadable=True)
                found.settled[slide.slide_id] = outcome
            elif record is None or self.settings.overwrite or record["row"]["status"] != DONE:
                found.to_do.append(slide)
            else:
                standing.append(Work("is_same", (slide, record)))
        found.settled.update(self._compared(standing, more=bool(found.to_do)))
        write_whole(self.out / RUN, self._run_json("running"))
        self.depot.publish(RUN)
        for outcome in found.settled.values():
            self.add(outcome)
        return found

    def _compared(self, standing: Sequence[Work], more: bool) -> dict[str, SlideOutcome]:
        """The outcomes of slides that stand, were they made of the same, in the same way."""
        found, otherwise = {}, []
        for work, same in self._crew.each(standing, more=more):
            slide, record = work.args
            if isinstance(same, GivenUp):
                raise InputError(f"{slide.path}: {same.reason}")
            if same:
                outcome = SlideOutcome(record["row"], tuple(record["counts"]), skipped=True)
                found[slide.slide_id] = outcome
            else:
                otherwise.append(slide.slide_id)
        if otherwise:
            raise not_to_be_mixed(self.depot.out, sorted(otherwise, key=natural))
        return found

    def work(self, slides: Sequence[Slide], on_progress: OnProgress | None) -> None:
        """Has the workers do the slides."""
        todo = [Work("analyze", (slide, self._replaced[slide.slide_id])) for slide in slides]
        total, done = sum(_steps(slide) for slide in slides), 0
        for work, made in self._crew.each(todo):
            slide = work.args[0]
            self._bring_in(slide, made)
            done += _steps(slide)
            if on_progress:
                on_progress(done, total, slide.slide_id)

    def _bring_in(self, slide: Slide, made: Made | GivenUp) -> None:
        if isinstance(made, GivenUp):
            made = Made(failed_slide(slide, made.reason), "no node")
        log.info("%s: %s on %s", slide.slide_id, made.outcome.status, made.node)
        if made.record:
            self.depot.noted(slide.slide_id, made.record)
        if made.log:
            with writing(self.out / ERROR_LOG), (self.out / ERROR_LOG).open("a") as file:
                file.write(made.log)
            self.depot.publish(ERROR_LOG)
        self.add(made.outcome)

    def _close(self, status: str) -> None:
        super()._close(status)
        for name in (*TABLES, RUN):
            self.depot.publish(name)


def _steps(slide: Slide) -> int:
    return SCAN_STEPS if slide.is_scan else len(slide.fields)
