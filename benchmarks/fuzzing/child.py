"""The process that reads damaged files: a line in names one, a line out says what it came to.

python -m fuzzing.child ADDRESS_SPACE_BYTES
"""

import json
import re
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

from leukodiff.core.errors import LeukodiffError

from .targets import TARGETS

STATUS = Path("/proc/self/status")


def kilobytes(what: str) -> int:
    """A line of the process's status: VmRSS is what it holds, VmHWM the most it has held."""
    found = re.search(rf"{what}:\s+(\d+)", STATUS.read_text())
    return int(found[1]) if found else 0


def outcome(kind: str, path: Path, names: tuple[str, ...]) -> tuple[str, str]:
    """`read`, `refused`, or what should not be, and a line or a traceback of it."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=r"PIL\.")  # as the command line does
        try:
            TARGETS[kind](path)
            answer = "read", ""
        except LeukodiffError as error:
            answer = _judged(str(error), names)
        except BaseException:
            return "crash", traceback.format_exc()
    ours = [one for one in warned if not issubclass(one.category, ResourceWarning)]
    return ("warned", str(ours[0])) if ours else answer


def _judged(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    if len(text.splitlines()) != 1:
        return "more than a line", text
    if not any(name in text for name in names):
        return "names no file", text
    return "refused", text


def main() -> None:
    """Reads lines `{"kind", "path", "names"}` until there are no more."""
    most = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        Path("/proc/self/clear_refs").write_text("5")
        before, began = kilobytes("VmRSS"), time.process_time()
        what, text = outcome(asked["kind"], Path(asked["path"]), tuple(asked["names"]))
        answer = {
            "what": what,
            "text": text,
            "cpu_s": time.process_time() - began,
            "mb": (kilobytes("VmHWM") - before) / 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
