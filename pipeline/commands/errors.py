"""What a person sees when a command can't do what it was asked."""

import gc
import warnings
from typing import Any

import click

from leukodiff.runtime.errors import LeukodiffError

TRAIN_EXTRA = frozenset(
    {"matplotlib", "onnx", "onnxslim", "sklearn", "timm", "torch", "torchvision", "ultralytics"}
)
"""Modules that the `train` extra brings."""


class Failed(click.ClickException):
    """Some of the work is done and some is not: one line on stderr, exit status 1."""

    exit_code = 1

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).split()))


class WrongUsage(Failed):
    """Nothing could be done as it was asked: one line on stderr, exit status 2."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands end in one line where leukodiff itself knows what went wrong."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program. What is left at its end goes with the process, all at once.

        Taking the engine's compiled models to pieces before would make everyone wait 0.05 s more.
        """
        # What Pillow warns of in a damaged file is told by our one line, or is no harm.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            return super().__call__(*args, **kwargs)
        finally:
            gc.freeze()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors become one line, anything else is a bug and shows as one."""
        try:
            return super().invoke(ctx)
        except LeukodiffError as error:
            raise WrongUsage(error) from error
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in TRAIN_EXTRA:
                raise
            hint = f"{error.name} is not installed; install leukodiff with its `train` extra"
            raise WrongUsage(hint) from error
        except KeyboardInterrupt:
            raise Failed("stopped; what was finished before is kept") from None
