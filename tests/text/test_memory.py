"""What stays in memory of a pair and of a completion: hashes and numbers, never its texts. A second."""

import json
import tracemalloc

import pytest

import reward_lab as rl
from reward_lab.text.spool import Spool

COUNT, LETTERS = 3000, 2000


def held(make):
    """Bytes that stay of what is made, for each of COUNT."""
    make(1)  # what is imported and cached on the way is not counted
    tracemalloc.start()
    try:
        made = make(COUNT)
        return tracemalloc.get_traced_memory()[0] / len(made)
    finally:
        tracemalloc.stop()


def test_of_a_pair_stay_its_keys_and_of_a_completion_two_numbers(tmp_path):
    text = "many words of a long text " * (LETTERS // 26)

    def load(count):
        path = tmp_path / "pairs.jsonl"
        rows = (
            {"prompt": f"{n} {text}", "chosen": f"{n} a {text}", "rejected": f"{n} b {text}"}
            for n in range(count)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return rl.load_preferences(path)

    # 13 bytes a key, 64 of a sketch, room to grow; the texts are 6,000.
    assert held(load) < 250
    assert held(lambda count: Spool((n, f"{n} {text}", text) for n in range(count))) < 120


@pytest.mark.parametrize("prompt", ["", "p"])
def test_a_spool_gives_back_what_was_put_in(prompt):
    rows = [(n, prompt and f"{prompt}{n % 3}", f"text\n{n}") for n in range(20)]
    spool = Spool(iter(rows))
    assert len(spool) == 20 and [spool._read(n) for n in range(20)] == rows
