"""A demo that is drawn in a moment."""

from matplotlib.figure import Figure

from histmatch_lab.demos import Frame, demo
from histmatch_lab.demos.controls import Toggle


@demo(loud=Toggle("Loud"))
def bump(loud):
    r"""A bump.

    Its height is $\alpha$.
    """
    figure = Figure(figsize=(9, 3))
    figure.subplots().bar([0, 1, 2], [1, 3 if loud else 2, 1])
    return Frame(figure, f"The bump is {'loud' if loud else 'quiet'}.")
