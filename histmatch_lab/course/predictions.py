"""What became of a prediction: the learner's guess beside the answer."""

from types import EllipsisType


def compare(guess: float | str | EllipsisType, answer: float | str) -> None:
    """Print a guess, a number or a choice, beside the answer; print nothing where none was made.

    >>> compare(0.25, 0.1128)
    You predicted 0.25; it is 0.113.
    >>> compare(100_000, 1000)
    You predicted 100,000; it is 1,000.
    >>> compare("Clamp", "clamp")
    You predicted clamp, and so it is.
    >>> compare("drop", "clamp")
    You predicted drop; it is clamp.
    >>> compare(..., 0.1128)
    """
    if isinstance(guess, EllipsisType):
        return
    if not isinstance(answer, str):
        said, true = (f"{float(f'{x:.3g}'):,.10g}" for x in (guess, answer))
        print(f"You predicted {said}; it is {true}.")
    elif str(guess).strip().lower() == answer.lower():
        print(f"You predicted {answer}, and so it is.")
    else:
        print(f"You predicted {guess}; it is {answer}.")
