"""Errors as a person sees them: one line on stderr and an exit status."""

import gc
import os
import sys
import warnings
from typing import Any

import click

from leukodiff.core.errors import LeukodiffError
from leukodiff.pipeline.runs.signals import has_hanging_threads

EXTRAS = dict.fromkeys(
    ("matplotlib", "onnx", "onnxslim", "sklearn", "timm", "torch", "torchvision", "ultralytics"),
    "train",
) | dict.fromkeys(("ray", "upath"), "cluster")
"""Modules that an extra brings."""


class Failed(click.ClickException):
    """Some of the work is done and some is not: one line on stderr, exit status 1."""

    exit_code = 1

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))


class WrongUsage(Failed):
    """Nothing could be done as it was asked: one line on stderr, exit status 2."""

    exit_code = 2


class Program:
    """In a command's context: it is run as a program of its own, not within another one."""


class Commands(click.Group):
    """A group whose commands end in one line where leukodiff itself knows what went wrong."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program. What is left at its end goes with the process, all at once.

        Taking the engine's compiled models to pieces before would make everyone wait 0.05 s more.
        """
        # Pillow's warnings of a damaged file: our one line has them, or they are no harm.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            return super().__call__(*args, obj=Program(), **kwargs)
        except SystemExit as end:
            if has_hanging_threads():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
            raise
        finally:
            gc.freeze()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors become one line, anything else is a bug and shows as one."""
        try:
            return super().invoke(ctx)
        except LeukodiffError as error:
            raise WrongUsage(error) from error
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            hint = f"{error.name} is not installed; install leukodiff with its `{extra}` extra"
            raise WrongUsage(hint) from error
        except KeyboardInterrupt:
            raise Failed("stopped; what was finished before is kept") from None
