"""One's own preferences: files of texts, words, training on them, scores. The front door has the rest of the names."""

from .. import saving
from .scoring import Score
from .tokenizer import WordTokenizer
from .training import TextRun

saving.read_tokenizer = WordTokenizer.from_json

__all__ = [
    "Score",
    "TextRun",
    "WordTokenizer",
]
