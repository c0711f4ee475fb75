"""Section 9 on a small file of the same form as the public data sets, with a tiny model: nothing is downloaded."""

import json

import pytest
import torch

pytest.importorskip("datasets")

from reward_lab.language import ecosystem, grammar  # noqa: E402
from reward_lab.lessons.lesson09 import hub  # noqa: E402


@pytest.fixture
def data(tmp_path):
    """Forty prompts, two pairs each, the prompt inside the texts as in hh-rlhf, and a column to evaluate by."""
    draw = torch.Generator().manual_seed(0)

    def one(words):
        return words[int(torch.randint(len(words), (), generator=draw))]

    rows = []
    for who in grammar.ANIMALS[:8]:
        for whom in grammar.ANIMALS[:5]:
            for source in ("a", "b"):
                prompt = f"\n\nHuman: {who} never {whom}\n\nAssistant:"
                good, bad = (
                    f" {who} {one(deeds)} {one(grammar.ANIMALS)} ."
                    for deeds in (grammar.KIND, grammar.UNKIND)
                )
                rows.append({"chosen": prompt + good, "rejected": prompt + bad, "source": source})
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def prompts(file) -> set[str]:
    return {
        json.loads(line)["chosen"].rpartition("\n\nAssistant:")[0] for line in file.read_text().splitlines()
    }


def test_no_prompt_stands_on_both_sides_and_a_tenth_is_held_out(data, tmp_path):
    trained, held_out = hub.split_by_prompt(str(data), 70, tmp_path)
    count = [len(file.read_text().splitlines()) for file in (trained, held_out)]
    assert sum(count) == 70 and 4 <= count[1] <= 14
    assert not prompts(trained) & prompts(held_out)


def test_a_head_is_trained_and_evaluated_by_a_column(data, tmp_path):
    with ecosystem.quiet():
        ecosystem.save_tiny_model(tmp_path / "tiny")
    assert hub.train_and_evaluate(str(data), str(tmp_path / "tiny"), tmp_path / "out", by="source") == 0
    found = json.loads((tmp_path / "out" / "evaluation" / "evaluation.json").read_text())
    assert found["by"] == "source" and set(found["subsets"]) == {"a", "b"} and found["rows"] >= 4
    assert (tmp_path / "out" / "model").is_dir()
