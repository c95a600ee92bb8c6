"""`leukodiff`: the command line.

Only click is imported at the top, here and in the commands, so that `--help` answers at once.
"""

import click

from .commands.analyze import analyze
from .commands.compare import compare
from .commands.data import data
from .commands.demo import demo
from .commands.errors import Commands
from .commands.evaluate import evaluate
from .commands.export import export, models
from .commands.report import explain, report
from .commands.review import audit, review
from .commands.train import train
from .commands.users import users
from .commands.watch import watch


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leukodiff")
def main() -> None:
    """Find, name and count the white cells of blood smears.

    Research use only: leukodiff suggests, a person decides.
    """


for _command in (
    *(analyze, watch, report, explain, compare, demo),
    *(evaluate, train, export, data, models),
    *(review, users, audit),
):
    main.add_command(_command)
