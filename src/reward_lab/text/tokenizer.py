"""Words to token ids, on the `tokenizers` library."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

PADDING_ID, UNKNOWN_ID = 0, 1
_SPECIAL = {"[PAD]": PADDING_ID, "[UNK]": UNKNOWN_ID}
_MOST_KNOWN, _LONGEST_KNOWN = 500_000, 100
_FOLD_AFTER = 100_000_000
"""Characters of text after which counts of chunks are turned into counts of words: bounds the memory."""


def _library():
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise ModuleNotFoundError("texts need the `tokenizers` library: pip install tokenizers") from None
    return tokenizers


class WordTokenizer:
    """Split texts into lower-case words and signs, and number them.

    A word is a run of letters, digits and underscores, a sign a run of other characters between spaces; each
    Chinese character is a word. Words that the vocabulary lacks all become the one token [UNK]. In training, words
    that occur only once do too, so that [UNK] has a meaning of its own: a rare word. Of a text longer than
    `max_length` tokens the end is kept, because the completion stands after its prompt.

    Args:
        backend: a tokenizers.Tokenizer, as `train` and `from_json` make it.
        max_length: tokens that are kept of one text.
    """

    def __init__(self, backend, max_length: int):
        self._backend = backend
        self.max_length = max_length
        self._known = _Known(backend)

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int = 20_000, max_length: int = 256, min_count: int = 2
    ) -> "WordTokenizer":
        """Make a vocabulary of the most frequent words of some texts; of equally frequent ones, in the alphabet's order.

        Args:
            texts: read once; never held together.
            vocab_size: tokens at most, [PAD] and [UNK] included; at least 2.
            max_length: tokens that are kept of one text; at least 1.
            min_count: how often a word must occur to get a token of its own.

        Raises:
            ValueError: a size is too small.
            ModuleNotFoundError: `tokenizers` is not installed.
        """
        if vocab_size < 2 or max_length < 1:
            raise ValueError(
                "WordTokenizer: vocab_size must be at least 2 and max_length at least 1, "
                f"got {vocab_size} and {max_length}"
            )
        library = _library()
        counts = _count_words(texts, _backend(library, {}))
        frequent = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        words = [word for _, word in frequent[: vocab_size - len(_SPECIAL)]]
        numbers = {word: number for number, word in enumerate(words, len(_SPECIAL))}
        return cls(_backend(library, _SPECIAL | numbers), max_length)

    @property
    def vocab_size(self) -> int:
        """Number of different token ids, [PAD] and [UNK] included."""
        return self._backend.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Token ids of each text, from 0 to max_length of them, and for each whether it was truncated."""
        token_ids = self._known.__getitem__
        ids = [list(chain.from_iterable(map(token_ids, text.split()))) for text in texts]
        truncated = [len(row) > self.max_length for row in ids]
        if any(truncated):
            ids = [row[-self.max_length :] for row in ids]
        return ids, truncated

    def words(self, text: str) -> list[str]:
        """The tokens of one text, in words; what the vocabulary lacks shows as [UNK]."""
        return [self._backend.id_to_token(number) for number in self.encode([text])[0][0]]

    def to_json(self) -> str:
        """The tokenizer as the text of a tokenizer.json, which the `tokenizers` library reads too."""
        self._backend.enable_truncation(self.max_length, direction="left")
        text = self._backend.to_str(pretty=True)
        self._backend.no_truncation()  # encode truncates a whole text; here it would cut its chunks
        return text

    @classmethod
    def from_json(cls, text: str) -> "WordTokenizer":
        """The inverse of to_json.

        Raises:
            ValueError: the text is no such tokenizer.
            ModuleNotFoundError: `tokenizers` is not installed.
        """
        library = _library()
        try:
            backend = library.Tokenizer.from_str(text)
            max_length = backend.truncation["max_length"]
            backend.no_truncation()
        except Exception as error:  # the library raises a bare Exception for what it can't parse
            raise ValueError(f"not a tokenizer of this package: {error}") from None
        if any(backend.token_to_id(token) != number for token, number in _SPECIAL.items()):
            raise ValueError("not a tokenizer of this package: [PAD] and [UNK] are not its first tokens")
        return cls(backend, max_length)


class _Known(dict):
    """Chunk of text between spaces -> its token ids. Chunks repeat, so each goes through the library once.

    The library splits at every space, and looks at nothing beyond it, so that the tokens of a text are those of
    its chunks, one after the other. (Python counts some control characters as spaces that the library drops.)
    """

    def __init__(self, backend):
        super().__init__()
        self._backend = backend

    def __missing__(self, chunk: str) -> list[int]:
        ids = self._backend.encode(chunk).ids
        if len(self) < _MOST_KNOWN and len(chunk) <= _LONGEST_KNOWN:
            self[chunk] = ids
        return ids


def _count_words(texts: Iterable[str], backend) -> Counter:
    words, chunks, size = Counter(), Counter(), 0
    for text in texts:
        chunks.update(text.split())
        size += len(text)
        if size > _FOLD_AFTER:
            words, size = _fold(chunks, words, backend), 0
    return _fold(chunks, words, backend)


def _fold(chunks: Counter, words: Counter, backend) -> Counter:
    """Add the words of all chunks to the counts, and empty the chunks."""
    for chunk, count in chunks.items():
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(chunk)):
            words[word] += count
    chunks.clear()
    if len(words) > 4 * _MOST_KNOWN:  # of millions of words, those seen once so far are given up
        return Counter({word: count for word, count in words.items() if count > 1})
    return words


def _backend(library, vocabulary: dict[str, int]):
    # No special tokens: the library would take the letters "[PAD]" in a text for padding. Thus they are three words.
    backend = library.Tokenizer(library.models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.normalizer = library.normalizers.Sequence(
        [
            library.normalizers.NFC(),  # é as one character or as two is the same letter
            library.normalizers.BertNormalizer(strip_accents=False, lowercase=True),
        ]
    )
    backend.pre_tokenizer = library.pre_tokenizers.Whitespace()
    return backend
