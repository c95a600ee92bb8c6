"""`leukodiff users`: people who may log in to a review that others can reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukodiff.core.text import printable

from .options import FILE, FOLDER, together

if TYPE_CHECKING:
    from leukodiff.pipeline.review.record import Record

ROLES = ("technologist", "pathologist", "administrator")

_where = together(
    click.option("--dir", "out", type=FOLDER, help="The review's folder: its record is in it."),
    click.option("--record", default="", help="The record's address, where it is elsewhere."),
)

_password = click.option(
    "--password-file", type=FILE, help="Read the password from here.  [default: ask for it]"
)


@click.group()
def users() -> None:
    """People who may log in to a review that others can reach."""


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")
@_password
@_where
def add(name: str, role: str, password_file: Path | None, out: Path | None, record: str) -> None:
    """Add NAME: a technologist names cells, a pathologist signs too, an administrator looks."""
    with _opened(out, record) as opened:
        opened.people.add_user(name, _read_password(password_file), role)
    click.echo(f"{name} may log in as {role}")


@users.command()
@click.argument("name")
@_password
@_where
def password(name: str, password_file: Path | None, out: Path | None, record: str) -> None:
    """Give NAME another password; whoever is logged in as NAME is logged out."""
    with _opened(out, record) as opened:
        opened.people.set_password(name, _read_password(password_file))
    click.echo(f"{name} has another password")


@users.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do.")
@_where
def role(name: str, role: str, out: Path | None, record: str) -> None:
    """Give NAME another role."""
    with _opened(out, record) as opened:
        opened.people.set_role(name, role)
    click.echo(f"{name} is {role}")


@users.command()
@click.argument("name")
@_where
def remove(name: str, out: Path | None, record: str) -> None:
    """Let NAME log in no more; what NAME did stays in the record."""
    with _opened(out, record) as opened:
        opened.people.remove_user(name)
    click.echo(f"{name} may not log in any more")


@users.command()
@click.argument("name")
@_where
def restore(name: str, out: Path | None, record: str) -> None:
    """Let NAME log in again."""
    with _opened(out, record) as opened:
        opened.people.restore_user(name)
    click.echo(f"{name} may log in again")


@users.command("list")
@_where
def list_(out: Path | None, record: str) -> None:
    """Show who may log in."""
    from .console import show_table

    with _opened(out, record) as opened:
        rows = [
            [printable(user.name), user.role, "yes" if user.active else "no"]
            for user in opened.people.users()
        ]
    show_table("", ["name", "role", "may log in"], rows)


def _opened(out: Path | None, record: str) -> Record:
    from leukodiff.pipeline.review.record import Record
    from leukodiff.pipeline.review.service.settings import ReviewSettings

    if not out and not record:
        raise click.UsageError("give the review's folder (--dir), or the record's address")
    if out:
        out.mkdir(parents=True, exist_ok=True)
    return Record(record or ReviewSettings(out or Path()).record_url)


def _read_password(path: Path | None) -> str:
    if path is None:
        return str(click.prompt("password", hide_input=True, confirmation_prompt=True))
    from leukodiff.core.errors import InputError

    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no password can be read from it ({error})") from error
