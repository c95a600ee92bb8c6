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

from ..service.people import ANALYZE, Person
from ..service.serializers import Json
from ..service.uploads import Incoming, Stored, store
from .api_slides import job_json
from .app_state import ReviewApp
from .endpoint import ApiRequest, desk_of
from .errors import ApiError
from .json_http import JsonResponse, text_of

FIELDS = 20
FIELD_BYTES = 4096
PATH_LETTERS = 4096


def queue(call: ApiRequest) -> Json:
    """`GET /api/queue`: what waits, what runs and how far it is, what has ended."""
    return {
        "jobs": [job_json(job) for job in call.desk.queue.jobs()],
        "allowed": [str(path) for path in call.desk.settings.allow],
    }


def stop(call: ApiRequest) -> Json:
    """`POST /api/queue/{n}/stop`: stops an analysis, or takes it out of the queue."""
    text = call.where["n"]
    number = int(text) if text.isdecimal() and len(text) < 12 else -1
    job = call.desk.queue.stop(number)
    if job is None:
        raise ApiError(404, "nothing of that number waits or runs", "address")
    return {"job": job_json(job)}


def analyze(call: ApiRequest) -> Json:
    """`POST /api/analyze {"path"}`: a file or folder on the server, within an allowed folder."""
    path = allowed_path(text_of(call.body, "path", PATH_LETTERS), call.desk.settings.allow)
    per_image = call.body.get("per_image") is True
    try:
        find_slides([path], per_image, leave_out=call.desk.settings.out)
    except InputError as error:
        raise ApiError(400, str(error)) from error
    return {"jobs": [_queued(call.desk, path.name, [path], call.person, per_image)]}


def allowed_path(text: str, allowed: Sequence[Path]) -> Path:
    """A path within one of the allowed folders, links followed.

    Whether a path outside exists is not told.

    Raises:
        Refused: 403 it is not, 404 it is not there.
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
    desk, person = desk_of(request), request.scope["person"]
    if not person.may(ANALYZE):
        raise ApiError(403, "your role does not allow this", "role")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError(415, "send files as multipart/form-data", "type")
    limits = desk.settings.limits
    try:
        form = request.form(
            max_files=limits.upload_files, max_fields=FIELDS, max_part_size=FIELD_BYTES
        )
        async with form as parts:
            files = [one for _, one in parts.multi_items() if isinstance(one, UploadFile)]
            said = {key: one for key, one in parts.multi_items() if isinstance(one, str)}
            came = [Incoming(one.filename or "", one.file, one.size or 0) for one in files]
            per_image = said.get("per_image", "") in ("1", "true", "on")
            name = said.get("name", "")[:200]
            stored = await run_in_threadpool(_stored, desk, came, name)
    except MultiPartException as error:
        raise ApiError(400, f"not a form with files: {error.message}", "upload") from error
    for one in stored.refused:
        desk.refused(person, one["name"], ApiError(415, one["why"], "upload"))
    jobs = [
        await run_in_threadpool(_queued, desk, name, [folder], person, per_image)
        for name, folder in stored.folders.items()
    ]
    return JsonResponse({"jobs": jobs, "n_images": stored.n_images, "refused": stored.refused})


def _stored(desk: ReviewApp, files: Sequence[Incoming], name: str) -> Stored:
    try:
        return store(files, desk.settings.out, desk.settings.limits, name)
    except OutputError as error:
        raise ApiError(413, str(error)) from error


def _queued(
    desk: ReviewApp, name: str, inputs: list[Path], person: Person, per_image: bool
) -> Json:
    job = desk.queue.add(name, inputs, person.name, per_image)
    if job is None:
        raise ApiError(409, f"{desk.settings.limits.queued} analyses wait already")
    return job_json(job)
