"""The queue: images that were dropped, files by path, how far it is, and stop."""

from collections.abc import Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from leukodiff.core.errors import InputError
from leukodiff.pipeline.runs.output import OutputError
from leukodiff.pipeline.slides.discover import find_slides

from ..service.jobs import Job
from ..service.people import ANALYZE, Person
from ..service.serializers import Json
from ..service.uploads import Incoming, store
from .app_state import ReviewApp
from .endpoint import ApiRequest, JsonResponse, app_of, content_type, require_right, text_of
from .errors import ApiError

FORM_MAX_FIELDS = 20

FORM_FIELD_MAX_BYTES = 4096

PATH_MAX_LETTERS = 4096

NAME_MAX_LETTERS = 200

NUMBER_MAX_DIGITS = 11

JOB_KEYS = (
    *("number", "name", "state", "by", "at", "done", "total", "what", "rate", "left"),
    *("slides", "error", "ended"),
)


def queue(request: ApiRequest) -> Json:
    """`GET /api/queue`: what waits, what runs and how far it is, what has ended."""
    return {
        "jobs": [job_json(job) for job in request.app.queue.jobs()],
        "allowed": [str(path) for path in request.app.settings.allow],
    }


def stop(request: ApiRequest) -> Json:
    """`POST /api/queue/{n}/stop`: stops an analysis, or takes it out of the queue."""
    text = request.path_params["n"]
    number = int(text) if text.isdecimal() and len(text) <= NUMBER_MAX_DIGITS else -1
    job = request.app.queue.stop(number)
    if job is None:
        raise ApiError(404, "nothing of that number waits or runs", "address")
    return {"job": job_json(job)}


def analyze(request: ApiRequest) -> Json:
    """`POST /api/analyze {"path"}`: a file or folder on the server, within an allowed folder."""
    path = allowed_path(text_of(request.body, "path", PATH_MAX_LETTERS), request.app.settings.allow)
    per_image = request.body.get("per_image") is True
    try:
        find_slides([path], per_image, leave_out=request.app.settings.out)
    except InputError as error:
        raise ApiError(400, str(error)) from error
    return {"jobs": [_queued(request.app, path.name, [path], request.person, per_image)]}


def allowed_path(text: str, allowed: Sequence[Path]) -> Path:
    """A path within one of the allowed folders, links followed.

    The refusal of a path outside is the same whether it exists or not.

    Raises:
        ApiError: 403 it is not within one, 404 it is not there.
    """
    path = Path(text)
    folders = [folder.resolve() for folder in allowed]
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ApiError(403, "that path is not allowed", "path") from error
    if not path.is_absolute() or not any(real.is_relative_to(one) for one in folders):
        where = ", ".join(map(str, allowed)) or "none: start with --allow FOLDER"
        raise ApiError(403, f"only files in an allowed folder are read ({where})", "path")
    if not real.exists():
        raise ApiError(404, f"{path}: no such file or folder")
    return real


async def upload(request: Request) -> Response:
    """`POST /api/upload`: images, or a folder's files, as multipart/form-data.

    The name of each file may have its folder before it. `name`: of the slide that loose files make;
    `per_image`: each image is a slide of its own.
    """
    app, person = app_of(request), require_right(request, ANALYZE)
    if content_type(request) != "multipart/form-data":
        raise ApiError(415, "send files as multipart/form-data", "type")
    form = request.form(
        max_files=app.settings.limits.upload_files,
        max_fields=FORM_MAX_FIELDS,
        max_part_size=FORM_FIELD_MAX_BYTES,
    )
    try:
        async with form as parts:
            files = [one for _, one in parts.multi_items() if isinstance(one, UploadFile)]
            texts = {key: one for key, one in parts.multi_items() if isinstance(one, str)}
            incoming = [Incoming(one.filename or "", one.file, one.size or 0) for one in files]
            name = texts.get("name", "")[:NAME_MAX_LETTERS]
            out, limits = app.settings.out, app.settings.limits
            stored = await run_in_threadpool(store, incoming, out, limits, name)
    except MultiPartException as error:
        raise ApiError(400, f"not a form with files: {error.message}", "upload") from error
    except OutputError as error:
        raise ApiError(413, str(error)) from error
    for one in stored.refused:
        refusal = ApiError(415, one["why"], "upload")
        await run_in_threadpool(app.record_refusal, person, one["name"], refusal)
    per_image = texts.get("per_image", "") in ("1", "true", "on")
    jobs = [
        await run_in_threadpool(_queued, app, name, [folder], person, per_image)
        for name, folder in stored.folders.items()
    ]
    return JsonResponse({"jobs": jobs, "n_images": stored.n_images, "refused": stored.refused})


def _queued(app: ReviewApp, name: str, inputs: list[Path], person: Person, per_image: bool) -> Json:
    job = app.queue.add(name, inputs, person.name, per_image)
    if job is None:
        raise ApiError(409, f"{app.settings.limits.queued} analyses wait already")
    return job_json(job)


def job_json(job: Job) -> Json:
    """A job of the queue as the page shows it."""
    return {name: getattr(job, name) for name in JOB_KEYS}
