"""The child process of an analysis: says how far it is, line by line, and ends when told to.

It reads nothing but the end of its standard input: the server closes it to stop the analysis, and
the system does when the server is killed.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any


def main() -> int:
    """Analyzes what the order on the command line says."""
    order = json.loads(sys.argv[1])
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    try:
        _say(kind="end", **_analyzed(order))
    except KeyboardInterrupt:
        _say(kind="end", stopped=True, slides=[], failures=[])
    return 0


def _analyzed(order: dict[str, Any]) -> dict[str, Any]:
    from leukodiff.core.errors import LeukodiffError
    from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

    settings = AnalyzeSettings(
        threads=order.get("threads"),
        per_image=bool(order.get("per_image")),
        detector=_file(order.get("detector")),
        classifier=_file(order.get("classifier")),
    )
    try:
        made = analyze([Path(one) for one in order["inputs"]], Path(order["out"]), settings, _tell)
    except LeukodiffError as error:
        return {"slides": [], "failures": [{"error": str(error)}]}
    slides = [str(row["slide_id"]) for row in made.rows if row["status"] != "failed"]
    failures = [dict(one) for one in made.failures]
    return {"slides": slides, "failures": failures, "stopped": made.interrupted}


def _file(name: str | None) -> Path | None:
    return Path(name) if name else None


def _tell(done: int, total: int, what: str) -> None:
    _say(kind="progress", done=done, total=total, what=what)


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _stop_at_end_of_input() -> None:
    # Not through sys.stdin: its lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        import _thread

        _thread.interrupt_main()


if __name__ == "__main__":
    sys.exit(main())
