"""The `course` command. Commands import what they need when they run: `course --help` answers at once."""

import json
import pathlib
import sys
from typing import Annotated

import typer

import course_lib

app = typer.Typer(
    help="Attention to Edge: the course's command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
fetch_app = typer.Typer(
    help="Bring data or weights into the cache.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(fetch_app, name="fetch")


def _version(wanted: bool):
    if wanted:
        typer.echo(f"course {course_lib.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
):
    pass


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False):
    """Tell whether this machine can run the course, and what to do if not (exit status 1)."""
    import contextlib
    import dataclasses

    from course_lib import doctor as examine

    with contextlib.redirect_stdout(sys.stderr):  # What checks print must not end up in the JSON.
        lines = examine.report()
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(line) for line in lines], indent=2))
    else:
        import rich.console

        rich.console.Console().print(examine.table(lines))
    raise typer.Exit(0 if examine.healthy(lines) else 1)


@fetch_app.command("imdb")
def fetch_imdb():
    """Download the 100,000 IMDB reviews (84 MB), check them and keep them in the cache."""
    from course_lib import imdb

    typer.echo(f"IMDB is here: {imdb.fetch()}")


@fetch_app.command("weights")
def fetch_weights():
    """Download the pretrained encoder (91 MB), check it and keep it in the cache."""
    from course_lib import weights

    typer.echo(f"The weights are here: {weights.fetch()}")


@app.command()
def links(
    repo: Annotated[str, typer.Option(help="What badges and install lines shall name: OWNER/NAME.")],
    root: Annotated[
        pathlib.Path, typer.Option(help="The clone.", exists=True, file_okay=False)
    ] = pathlib.Path(),
):
    """Make every badge and install line name your fork."""
    from course_lib import links as addresses

    if not (root / "pyproject.toml").is_file():
        raise ValueError(f"There is no pyproject.toml in {root.absolute()}: run this in the clone.")
    changed = addresses.rewrite(root, repo)
    typer.echo(f"{len(changed)} files changed." if changed else f"All addresses name {repo} already.")
    for path in changed:
        typer.echo(f"  {path}")


def main():
    """Entry point: an error that a user can act on is a message on stderr and exit status 1."""
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        typer.echo(f"course: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
