"""What became of a prediction: the learner's guess beside the answer."""

from types import EllipsisType


def compare(guess: float | str | EllipsisType, answer: float | str) -> None:
    """Print a guess, a number or a choice, beside the answer; print nothing where none was made.

    >>> compare(0.25, 0.1128)
    You predicted 0.25; it is 0.113.
    >>> compare("Clamp", "clamp")
    You predicted clamp, and so it is.
    >>> compare(..., 0.1128)
    """
    if isinstance(guess, EllipsisType):
        return
    if not isinstance(answer, str):
        print(f"You predicted {guess:.3g}; it is {answer:.3g}.")
    elif str(guess).strip().lower() == answer.lower():
        print(f"You predicted {answer}, and so it is.")
    else:
        print(f"You predicted {guess}; it is {answer}.")
