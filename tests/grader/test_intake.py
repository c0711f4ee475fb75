"""Every file is put right or refused in plain words; points, checks and metadata are always the lesson's."""

import copy
import json
import random

import nbformat
import pytest

from grader.cells import is_answer, is_check
from grader.demo_class import correct, fill, saved_by_colab
from grader.intake import take_in
from grader.intake_cells import SKIP_TAG
from grader.intake_file import Refused

from ..conftest import LESSON


@pytest.fixture
def hand_in(pristine, tmp_path):
    """A function that takes in bytes, text or a notebook's JSON as a submitted file."""

    def take(content, name=f"{LESSON}.ipynb", expected=LESSON):
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return take_in(path, {LESSON: pristine}, expected)

    return take


@pytest.fixture
def honest(pristine, right_answers) -> dict:
    """The JSON of a right submission, with every source as one text."""
    return json.loads(json.dumps(fill(pristine, right_answers)))


def answers_in(submission) -> dict[str, str]:
    return {cell.id: cell.source for cell in submission.notebook.cells if is_answer(cell)}


def assert_checks_are_the_lessons(submission, pristine):
    own = {cell.id: (cell.source, cell.metadata.nbgrader) for cell in pristine.cells if is_check(cell)}
    got = [cell for cell in submission.notebook.cells if is_check(cell)]
    assert {cell.id: (cell.source, cell.metadata.nbgrader) for cell in got} == own and len(got) == len(own)
    assert all(SKIP_TAG not in cell.metadata.get("tags", []) for cell in got)
    assert not any(cell.get("outputs") for cell in submission.notebook.cells)
    nbformat.validate(submission.notebook)


def without(data, *keys):
    """The JSON with keys taken from every cell."""
    data = copy.deepcopy(data)
    for cell in data["cells"]:
        for key in keys:
            cell.pop(key, None)
    return data


# Forms that apps write


def test_a_right_submission_passes_through_without_a_note(hand_in, honest, pristine, right_answers):
    submission = hand_in(honest)
    assert answers_in(submission) == right_answers and submission.notes == [] and submission.missing == []
    assert_checks_are_the_lessons(submission, pristine)


def test_colabs_form_is_read_and_nobodys_name_survives(hand_in, pristine, right_answers):
    submission = hand_in(saved_by_colab(pristine, right_answers))
    assert answers_in(submission) == right_answers
    assert_checks_are_the_lessons(submission, pristine)
    kept = nbformat.writes(submission.notebook) + str(submission.notes)
    for personal in (
        "Ada Student",
        "0123456789",
        "executionInfo",
        "displayName",
        "authorship_tag",
        "outputId",
    ):
        assert personal not in kept


def test_format_4_5_in_which_only_colabs_link_cell_lacks_an_id_is_read(hand_in, honest, right_answers):
    link = {"cell_type": "markdown", "metadata": {"colab_type": "text"}, "source": ["<a></a>"]}
    honest["cells"].insert(0, link)
    assert answers_in(hand_in(honest)) == right_answers


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}},
        {"kernelspec": {"name": "conda-env-mine-py", "display_name": "mine"}},
        {"widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}},
        {"celltoolbar": "Create Assignment", "vscode": {"interpreter": {"hash": "x"}}},
    ],
)
def test_the_notebooks_own_metadata_does_not_matter(hand_in, honest, pristine, right_answers, metadata):
    honest["metadata"] = metadata
    submission = hand_in(honest)
    assert answers_in(submission) == right_answers and submission.notebook.metadata == pristine.metadata


def test_sources_as_lists_of_lines_and_a_byte_order_mark_are_read(hand_in, honest, right_answers):
    for cell in honest["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert answers_in(hand_in(b"\xef\xbb\xbf" + json.dumps(honest).encode())) == right_answers


def test_format_3_is_converted_and_noted(hand_in, honest):
    old = nbformat.convert(nbformat.from_dict(honest), 3)
    submission = hand_in(json.dumps(old))
    assert "def preference_accuracy" in answers_in(submission)["preference_accuracy"]
    assert any("converted" in note for note in submission.notes)


@pytest.mark.parametrize(
    "name",
    [
        f"Copy of {LESSON}.ipynb",
        f"{LESSON} (1).ipynb",
        "my work.ipynb",
        "作业 één.ipynb",
        f"{LESSON}-2.ipynb",
    ],
)
def test_a_file_by_another_name_is_taken_and_noted(hand_in, honest, right_answers, name):
    submission = hand_in(honest, name)
    assert answers_in(submission) == right_answers
    assert submission.notes == [f"file name `{name}` taken for {LESSON}.ipynb"]


# Cells that were changed


@pytest.mark.parametrize("kept", [("id",), ()])
def test_without_nbgrader_metadata_answers_are_matched_by_id_or_content(hand_in, honest, right_answers, kept):
    data = copy.deepcopy(honest)
    for cell in data["cells"]:
        cell["metadata"] = {}
        if not kept:
            del cell["id"]
    if not kept:
        data["nbformat_minor"] = 4
    assert answers_in(hand_in(data)) == right_answers


def test_of_two_copies_the_last_that_is_not_empty_counts_and_both_are_noted(hand_in, honest, pristine):
    stub = next(cell for cell in pristine.cells if cell.id == "preference_accuracy")
    first = next(cell for cell in honest["cells"] if cell["id"] == "preference_accuracy")
    second = {**copy.deepcopy(first), "source": "def preference_accuracy(p, r):\n    return 2\n"}
    third = {**copy.deepcopy(first), "source": stub.source}
    honest["cells"] += [second, third]
    submission = hand_in(honest)
    assert answers_in(submission)["preference_accuracy"] == second["source"]
    assert "cell `preference_accuracy` is there 3 times" in submission.notes
    assert_checks_are_the_lessons(submission, pristine)


def test_deleted_checks_come_back_after_their_answers(hand_in, honest, pristine):
    honest["cells"] = [cell for cell in honest["cells"] if not cell["id"].startswith("check_")]
    submission = hand_in(honest)
    order = [cell.id for cell in submission.notebook.cells]
    for check in (cell for cell in pristine.cells if is_check(cell)):
        assert order.index(check.id) > order.index(check.id.removeprefix("check_"))
    assert_checks_are_the_lessons(submission, pristine)


def test_edited_checks_and_forged_points_tags_and_outputs_do_not_survive(hand_in, honest, pristine):
    for cell in honest["cells"]:
        if cell["id"].startswith("check_"):
            cell["source"] = "2.0"
            cell["metadata"]["tags"] = [SKIP_TAG, "anything"]
            cell["metadata"]["nbgrader"].update(points=100, schema_version=1, solution=True)
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "all right"}]
    submission = hand_in(honest)
    assert_checks_are_the_lessons(submission, pristine)
    assert sum("was changed; the lesson's own is used" in note for note in submission.notes) == 4


def test_only_experiments_are_skipped_whatever_the_tags_say(hand_in, honest):
    for cell in honest["cells"]:
        cell["metadata"]["tags"] = [SKIP_TAG]
    skipped = [c for c in hand_in(honest).notebook.cells if SKIP_TAG in c.metadata.get("tags", [])]
    assert skipped and all("experiment" in cell.metadata.tags for cell in skipped)


def test_added_cells_and_changes_of_set_up_cells_are_kept_in_the_students_order(hand_in, honest):
    place = next(n for n, cell in enumerate(honest["cells"]) if cell["id"] == "preference_accuracy")
    setup = next(cell for cell in honest["cells"] if "import reward_lab as rl" in cell["source"])
    setup["source"] += "\nimport math"
    honest["cells"].insert(place, {"cell_type": "code", "metadata": {}, "source": "helper = 1", "outputs": [],
                                   "execution_count": None, "id": "mine"})  # fmt: skip
    sources = [cell.source for cell in hand_in(honest).notebook.cells if cell.cell_type == "code"]
    changed, helper = sources.index(setup["source"]), sources.index("helper = 1")
    assert changed < helper < next(n for n, text in enumerate(sources) if "def preference_accuracy" in text)


def test_answers_in_another_order_stay_in_that_order(hand_in, honest, right_answers):
    honest["cells"].reverse()
    submission = hand_in(honest)
    assert answers_in(submission) == right_answers
    order = [cell.id for cell in submission.notebook.cells]
    assert order.index("held_out_report") < order.index("preference_accuracy")
    assert order.index("check_preference_accuracy") > order.index("preference_accuracy")


def test_a_missing_answer_is_named(hand_in, honest, pristine):
    honest["cells"] = [cell for cell in honest["cells"] if "training_step" not in cell["id"]]
    submission = hand_in(honest)
    assert submission.missing == ["training_step"] and "answer `training_step` is missing" in submission.notes
    assert_checks_are_the_lessons(submission, pristine)


# Files that are refused


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "empty"),
        (b"{", "not valid JSON (line 1)"),
        (b"<<<<<<< HEAD\n{}", "git conflicts"),
        (b"[1, 2]", "no notebook"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"a": 1}', "no list of cells"),
        (b'{"cells": []}', "no answer cell"),
        (b'{"cells": [], "nbformat": 5}', "newer than 4"),
        (b'{"worksheets": 7, "nbformat": 3}', "can't be converted"),
        (b'{"cells\0": []}', "NUL"),
        ("{'é': 1}".encode("latin-1"), "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"PK\x03\x04" + b"\x01" * 50, "JSON"),
    ],
)
def test_a_file_that_is_no_notebook_is_refused_in_plain_words(hand_in, content, says):
    with pytest.raises(Refused) as refusal:
        hand_in(content)
    assert says in str(refusal.value)


def test_a_file_of_100_mb_a_folder_and_nothing_at_all_are_refused(hand_in, pristine, tmp_path):
    with pytest.raises(Refused, match="95 MB.*Clear all outputs"):
        hand_in(b" " * 10**8)
    for path in (tmp_path, tmp_path / "absent.ipynb"):
        with pytest.raises(Refused, match="no such file"):
            take_in(path, {LESSON: pristine})


def test_another_lessons_notebook_is_refused_by_name(pristine, tmp_path):
    other = nbformat.from_dict(pristine)
    for cell in other.cells:
        cell.source = cell.source.replace("preference", "something")
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.grade_id = cell.id = "x_" + cell.id
    file = tmp_path / "02_other.ipynb"
    nbformat.write(other, file)
    with pytest.raises(Refused, match="This is lesson 02_other, handed in for 01"):
        take_in(file, {LESSON: pristine, "02_other": other}, LESSON)
    assert take_in(file, {LESSON: pristine, "02_other": other}).lesson == "02_other"


def test_half_of_a_surrogate_pair_can_be_written_to_a_file(hand_in, pristine, right_answers, tmp_path):
    data = json.loads(correct(pristine, right_answers))
    data["cells"][0]["source"] = "\ud800"
    place = next(cell for cell in data["cells"] if cell["id"] == "reflect_noise")
    place["source"] = "half \udc00"
    (tmp_path / "out.ipynb").write_text(nbformat.writes(hand_in(data).notebook), encoding="utf-8")


# Anything else


def mutate(value, rng):
    """The JSON tree with one place changed."""
    junk = [None, True, 3, -1.5, "text", [], {}, [1], {"a": 1}, "\ud800", 10**30]
    places = []

    def walk(node):
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, child in items:
            places.append((node, key))
            if isinstance(child, (dict, list)):
                walk(child)

    walk(value)
    if not places:
        return
    node, key = rng.choice(places)
    if rng.random() < 0.4 and isinstance(node, dict):
        del node[key]
    else:
        node[key] = rng.choice(junk)


@pytest.mark.slow
def test_four_hundred_random_changes_give_a_valid_submission_or_a_refusal(hand_in, honest, pristine):
    rng, taken = random.Random(0), 0
    for _ in range(400):
        data = copy.deepcopy(honest)
        for _ in range(rng.choice([1, 3, 20])):
            mutate(data, rng)
        try:
            submission = hand_in(json.dumps(data))
        except Refused as refusal:
            assert str(refusal)
        else:
            taken += 1
            assert_checks_are_the_lessons(submission, pristine)
    assert taken > 200


def test_the_stub_alone_is_a_submission_with_nothing_missing(hand_in, pristine):
    submission = hand_in(json.loads(nbformat.writes(fill(pristine, {}))))
    assert submission.missing == [] and submission.notes == []
