"""`histmatch-lab`, called in this process."""

from click.testing import CliRunner

from histmatch_lab.cli import app


def run(*arguments: object, code: int = 0) -> str:
    """What the command says; it must exit with this code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output
