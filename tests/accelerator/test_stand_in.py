"""The stand-in catches what a GPU would: otherwise nothing that passes on it would mean anything."""

import pytest
import torch
import torch.nn.functional as F

from reward_lab.checks.subject import LocalSubject
from reward_lab.lessons.lesson01 import check

MEETINGS = {
    "a sum": lambda there, here: there + here,
    "a product the other way round": lambda there, here: here @ there,
    "a comparison": lambda there, here: there > here,
    "in place": lambda there, here: here.mul_(there),
    "a list of both": lambda there, here: torch.cat([there, here]),
    "where": lambda there, here: torch.where(there > 0, there, here),
    "a layer on the CPU": lambda there, here: torch.nn.Linear(2, 2)(there),
    "embeddings on the CPU": lambda there, here: F.embedding_bag(there.long(), here),
    "a loss": lambda there, here: F.cross_entropy(there, here.softmax(1)),
    "rows of a CPU tensor": lambda there, here: here[there > 0],
}


@pytest.mark.parametrize("meeting", MEETINGS)
def test_its_tensors_refuse_to_meet_cpu_tensors(meeting, device):
    with pytest.raises(RuntimeError, match="same device|indices should be"):
        MEETINGS[meeting](torch.eye(2).to(device), torch.eye(2))


def test_it_refuses_numpy_and_says_what_to_do(device):
    tensor = torch.ones(2, device=device)
    for convert in (lambda: tensor.numpy(), lambda: __import__("numpy").asarray(tensor)):
        with pytest.raises(TypeError, match=r"Tensor\.cpu\(\) first"):
            convert()
    assert tensor.cpu().numpy().tolist() == [1, 1] and type(tensor.cpu()) is torch.Tensor


def test_a_tensor_there_is_drawn_with_a_generator_there(device):
    torch.rand(2, generator=torch.Generator(device), device=device)
    with pytest.raises(RuntimeError, match="device type for generator"):
        torch.rand(2, generator=torch.Generator(), device=device)


def test_what_a_gpu_allows_is_allowed(device):
    there = torch.arange(6.0, device=device).reshape(2, 3)
    assert (there + torch.tensor(1.0)).sum().item() == 21  # a 0-dim CPU tensor is a number
    assert there[torch.tensor([1])].tolist() == [[3, 4, 5]]  # indices may lie on the CPU
    assert there.copy_(torch.zeros(2, 3)).sum() == 0


def test_gradients_and_optimizers_work_there_as_on_the_cpu(device):
    results = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).to(where)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.arange(6.0, device=where).reshape(2, 3)).pow(2).mean().backward()
            optimizer.step()
        results.append([p.detach().cpu() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def makes_a_cpu_tensor(reward_preferred, reward_rejected):
    return (reward_preferred > reward_rejected + torch.zeros(len(reward_preferred))).double().mean().item()


def goes_to_numpy(reward_preferred, reward_rejected):
    return float((reward_preferred.numpy() > reward_rejected.numpy()).mean())


@pytest.mark.parametrize(
    "answer, said", [(makes_a_cpu_tensor, "on the same device"), (goes_to_numpy, "Tensor.cpu() first")]
)
def test_an_answer_that_puts_a_tensor_in_the_wrong_place_is_told_so(answer, said, device):
    report = check.preference_accuracy.report(lambda seed: LocalSubject(answer, device, seed))
    assert report.score == 0 and said in str(report)
    assert check.preference_accuracy.report(lambda seed: LocalSubject(answer, "cpu", seed)).passed
