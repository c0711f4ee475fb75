"""A guess before a result: it costs nothing, blocks nothing, and is shown beside the truth afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

Guess = float | int | EllipsisType | None


@dataclass(frozen=True)
class Prediction:
    """One question of a lesson.

    Fields: `choices`, the possible answers in words, numbered from 1, or none where the answer is a number; `right`, the
    number of the right choice. It stands here so that the notebook does not tell it; a test holds it to what the run shows.
    """

    choices: Sequence[str] = ()
    right: int | None = None

    def said(self, answer: object) -> str:
        """An answer in words. A float is rounded to three digits."""
        if self.choices and answer in range(1, len(self.choices) + 1):
            return f"{answer}, {self.choices[int(answer) - 1]}"
        return f"{answer:.3g}" if isinstance(answer, float) else str(answer)


class Predictions:
    """The questions of one lesson, and what the learner guessed.

    Calling it keeps a guess, `compare` shows it beside the truth. Neither ever raises for what a learner wrote.
    """

    def __init__(self, **questions: Prediction):
        self.questions = questions
        self.guesses: dict[str, float] = {}

    def __call__(self, name: str, guess: Guess = ...) -> None:
        """Keep a guess.

        Args:
            name: of the question.
            guess: a number; where there are choices, that of one of them. The three dots stand for no guess yet.
        """
        question = self.questions[name]
        self.guesses.pop(name, None)
        if guess is ... or guess is None:
            print(
                "No guess yet. Put a number in place of the three dots, and run this cell again; or go on without."
            )
            return
        try:
            value = float(guess)
        except (TypeError, ValueError):
            print(f"A guess is a number here, not {guess!r}. It costs nothing: try again, or go on.")
            return
        if question.choices and value not in range(1, len(question.choices) + 1):
            print(f"The choices are 1 to {len(question.choices)}, not {guess!r}. Try again, or go on.")
            return
        self.guesses[name] = int(value) if value.is_integer() else value
        print(f"Your guess: {question.said(self.guesses[name])}. Now run the next cell.")

    def compare(self, name: str, truth: object = None) -> None:
        """Print the guess beside what came out.

        Args:
            name: of the question.
            truth: what the run gave, a number or words; not needed where there are choices.
        """
        question = self.questions[name]
        if hasattr(truth, "item"):
            truth = truth.item()
        guess = self.guesses.get(name)
        print(f"\nyour guess: {'none' if guess is None else question.said(guess)}")
        print(f"it is:      {question.said(question.right if question.choices else truth)}")
