"""`leukodiff`: the command line.

Only click is imported at the top, here and in the commands, so that `--help` answers at once.
"""

from typing import Any

import click

from leukodiff.runtime.errors import LeukodiffError

from .commands.analyze import analyze
from .commands.data import data
from .commands.demo import demo
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.models import models
from .commands.train import train

FAILED = 1
WRONG_USAGE = 2

TRAIN_EXTRA = frozenset(
    {"matplotlib", "onnx", "onnxslim", "sklearn", "timm", "torch", "torchvision", "ultralytics"}
)
"""Modules that the `train` extra brings."""


class OneLine(click.ClickException):
    """An error as a person should see it: one line on stderr, and the exit status."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code


class Commands(click.Group):
    """A group whose commands end in one line where leukodiff itself knows what went wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors become one line, anything else is a bug and shows as one."""
        try:
            return super().invoke(ctx)
        except LeukodiffError as error:
            raise OneLine(str(error), WRONG_USAGE) from error
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in TRAIN_EXTRA:
                raise
            hint = f"{error.name} is not installed; install leukodiff with its `train` extra"
            raise OneLine(hint, WRONG_USAGE) from error
        except KeyboardInterrupt:
            raise OneLine("stopped; what was finished before is kept", FAILED) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leukodiff")
def main() -> None:
    """Find, name and count the white cells of blood smears.

    Research use only: leukodiff suggests, a person decides.
    """


for _command in (analyze, demo, evaluate, train, export, data, models):
    main.add_command(_command)
