"""Rows of JSONL files: lines in, checked text out. What is wrong with a row is said in words."""

import codecs
import json
from collections.abc import Iterable, Iterator


class BadRow(ValueError):
    """One row can't be used. The message says what is wrong with it, and not where it stands."""


def numbered_lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Line numbers, from 1, and lines of a binary file. Blank lines and a byte order mark are passed over.

    Lines end at a line feed only: text in JSON may hold characters that Python's text mode would split at.
    """
    for number, line in enumerate(file, 1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield number, line


def parse_row(line: bytes) -> dict:
    """One line as a JSON object.

    Raises:
        BadRow: the line is not UTF-8, not JSON, or not an object.
    """
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRow(f"not UTF-8 at byte {error.start + 1}: save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON at column {error.colno}: {error.msg}; expected one object a line") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise BadRow(f"not JSON that can be read: {error}") from None
    if not isinstance(row, dict):
        raise BadRow(f"expected an object like {{...}}, got {kind(row)}")
    if b"\\u" in line:
        _refuse_half_characters(row)
    return row


def text_of(row: dict, name: str) -> str:
    """A column that holds text or a list of chat messages, as one text.

    Of chat messages the contents count, one below the other; who speaks is left out.

    Raises:
        BadRow: the column is missing, or holds neither.
    """
    if row.get(name) is None:
        raise BadRow(f"`{name}` is missing")
    value = row[name]
    return value if isinstance(value, str) else "\n".join(contents(value, name))


def contents(messages: object, name: str) -> list[str]:
    """The content of each chat message, `{"role": ..., "content": ...}`.

    Content is text, null (an assistant that only called a tool), or a list of parts `{"type": "text", "text": ...}`.

    Raises:
        BadRow: the value is no list of such messages.
    """
    if not isinstance(messages, list):
        raise BadRow(f"`{name}` must be text or a list of chat messages, got {kind(messages)}")
    texts = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or "content" not in message:
            raise BadRow(f"`{name}`, message {number}: expected an object with `role` and `content`")
        content = message["content"]
        if content is None:
            content = ""
        if isinstance(content, list):
            parts = [part.get("text") if isinstance(part, dict) else None for part in content]
            if not all(isinstance(part, str) for part in parts):
                raise BadRow(f"`{name}`, message {number}: only text can be read, and here is another part")
            content = "\n".join(parts)
        if not isinstance(content, str):
            raise BadRow(f"`{name}`, message {number}: `content` must be text, got {kind(content)}")
        texts.append(content)
    return texts


def kind(value: object) -> str:
    """What a JSON value is, for an error message."""
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "null" if value is None else "an object")


def _refuse_half_characters(row: dict) -> None:
    r"""JSON can spell half a character, as in "\ud83d". No tokenizer and no file takes it."""
    try:
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow("half a character (a lone surrogate such as \\ud83d): the text was cut in two") from None
