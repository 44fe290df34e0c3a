"""Command line: `python -m saliency` works on files alone."""

from saliency.cli import HELP, agreement, building, cli, comparing

__all__ = ["agreement", "building", "cli", "comparing"]

cli.callback(help=HELP)(lambda: None)

if __name__ == "__main__":
    cli()
