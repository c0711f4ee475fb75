"""While an answer is called, the package's own version of it is out of reach, whatever road is taken.

Cost: about 15 s of CPU for the roads of lesson 1, 6 s for each lesson as a whole; all of it is marked slow.
"""

# ruff: noqa: E501  (submissions are written as students would write them)

import json

import pytest

from grader.demo_class import fill, right_answers
from grader.gradebook import pristine_lessons
from grader.host import sandbox_problem
from grader.project import own_project
from grader.settings import Settings
from grader.verify import Worker

from .attacks import HONEST, answer, graded, points

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
HEAD = "def preference_accuracy(a, b):\n    "
HUNT = '''
import ast, importlib.util, os, types
def texts():
    for folder in FOLDERS:
        for place, _, files in os.walk(folder):
            for file in files:
                path = os.path.join(place, file)
                try:
                    if file.endswith(KINDS) and b"preference_accuracy" in open(path, "rb").read():
                        yield path
                except OSError:
                    pass
def as_function(path):
    """The first definition of that name in a file that can rank two rewards."""
    if path.endswith(".pyc"):
        import marshal
        code = marshal.loads(open(path, "rb").read()[16:])
        found = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == "preference_accuracy"]
        return [types.FunctionType(c, {}) for c in found]
    try:
        tree = ast.parse(open(path).read())
    except SyntaxError:
        return []
    made = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "preference_accuracy":
            node.decorator_list, node.returns = [], None
            for argument in node.args.args: argument.annotation = None
            space = {"torch": torch, "F": torch.nn.functional}
            exec(compile(ast.Module([node], []), path, "exec"), space)
            made.append(space["preference_accuracy"])
    return made
def works(f):
    try:
        return f(torch.tensor([1., 0., 0., 2.]), torch.tensor([0., 1., 0., 1.])) == 0.5
    except BaseException:
        return False
candidates = [f for path in texts() for f in as_function(path)]
preference_accuracy = next(filter(works, candidates), lambda a, b: 0.123)
'''


def hunt(folders: str, kinds: tuple[str, ...]) -> str:
    return f"import sys\nFOLDERS, KINDS = {folders}, {kinds!r}\n{HUNT}"


ROADS = {
    "attribute": HEAD + "return rl.preference_accuracy(a, b)",
    "attribute of the module": HEAD + "return rl.metrics.preference_accuracy(a, b)",
    "getattr": HEAD + "return getattr(rl, 'preference_' + 'accuracy')(a, b)",
    "star import": "from reward_lab import *\nmine = preference_accuracy\n" + HEAD + "return mine(a, b)",
    "the name itself": "from reward_lab import *",
    "import under another name": "from reward_lab.metrics import preference_accuracy as right\n" + HEAD + "return right(a, b)",
    "vars": HEAD + "return vars(rl)['preference_accuracy'](a, b)",
    "importlib": "import importlib\n" + HEAD + "return importlib.import_module('reward_lab.metrics').preference_accuracy(a, b)",
    "imported again": "import sys\nfor name in [n for n in sys.modules if n.startswith('reward_lab')]: del sys.modules[name]\n"
    "import reward_lab as again\npreference_accuracy = again.preference_accuracy",
    "functools.partial": "import functools\npreference_accuracy = functools.partial(rl.preference_accuracy)",
    "source": "import inspect\ntext = inspect.getsource(rl.preference_accuracy)\nspace = {'torch': torch, 'Tensor': torch.Tensor}\n"
    "exec(text, space)\npreference_accuracy = space['preference_accuracy']",
    "source of the module": "import inspect\nspace = {}\nexec(inspect.getsource(rl.metrics), space)\npreference_accuracy = space['preference_accuracy']",
    "a loader": "import importlib.util\nspec = importlib.util.spec_from_file_location('mine', rl.metrics.__file__)\n"
    "made = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(made)\npreference_accuracy = made.preference_accuracy",
    "the check's right answer": "from reward_lab.lessons.lesson01.checks import accuracy\npreference_accuracy = accuracy.right_accuracy",
    "the check's globals": "preference_accuracy = check.preference_accuracy.cases[0].run.__globals__['right_accuracy']",
    "a mistake of the check, mended": "from reward_lab.lessons.lesson01.checks import accuracy\n"
    "table = next(v for v in vars(accuracy).values() if isinstance(v, dict) and any('wrong' in str(k).lower() or 'tie' in str(k).lower() for k in v))\n"
    "turned = [f for f in table.values()]\n" + HEAD + "return 1 - next(f for f in turned if f(torch.ones(1), torch.zeros(1)) == 0)(a, b)",
    "what else calls it": HEAD + "model = torch.nn.Identity()\n    return rl.held_out_report(model, (a, b), (a, b))['train_accuracy']",
    "a score that comes to the same": "from reward_lab import statistics\n" + HEAD
    + "return statistics.expected_scores(a.double() - b.double(), torch.ones(len(a))).accuracy",
    "gc": "import gc, types\nfound = [f for f in gc.get_objects() if isinstance(f, types.FunctionType) and f.__name__ == 'preference_accuracy']\n"
    + HEAD + "return found[0](a, b)",
    "files of the package": hunt("[rl.__path__[0]]", (".py", ".pyc")),
    "files on the path": hunt("[p for p in sys.path if p and 'python3' not in p]", (".py", ".pyc", ".ipynb")),
    "files of Python's packages": hunt(
        "[p + '/' + n for p in sys.path if 'site-packages' in p for n in ('reward_lab', 'grader')]", (".py", ".pyc")),
    "files anywhere else": hunt("['/lab', '/work', '/root', '/home', '/tmp', '/opt', '/srv', '/mnt', '/var', '/dev']",
        (".py", ".pyc", ".ipynb", ".pack")),
}  # fmt: skip
"""How a submission may come to the package's own preference_accuracy."""


TIMEOUT = 20


@pytest.fixture(scope="module")
def lessons(course):
    return pristine_lessons(course)


@pytest.mark.parametrize("road", ROADS)
def test_no_road_leads_to_the_packages_own_version(road, verdict_of):
    verdict = verdict_of(answer(ROADS[road]))
    given = points(verdict)
    assert given.pop("check_preference_accuracy") == 0, verdict.to_json()
    assert given.items() < HONEST.items()


def test_who_calls_it_is_told_to_write_it(verdict_of):
    (said, *_) = verdict_of(answer(ROADS["attribute"])).checks
    assert "the package's own preference_accuracy" in said.message and "write it yourself" in said.message


IN_ONE_LINE = {
    "02_bradley_terry": {
        "bt_mle": "def bt_mle(wins):\n    return statistics.bt_mm_path(wins, 10000)[-1]",
        "bt_standard_errors": "def bt_standard_errors(wins, abilities):\n    return statistics.bt_covariance(wins, abilities).diagonal().sqrt()",
    },
    "03_noise_ties_calibration": {
        "davidson_nll": "def davidson_nll(i, j, nu, outcome):\n    return F.nll_loss(statistics.davidson_log_probabilities(i, j, nu), outcome)",
    },
}  # fmt: skip
"""Answers by other functions of the package that do the whole of the work."""


NOT_IN_THE_PACKAGE = {"mended_loss", "count_games", "mended_training"}
"""Exercises whose answer stands in the lesson alone."""


def places_of(lesson: str) -> dict[str, str]:
    """Exercise -> where its package's own version is found by one who looks."""
    import importlib
    import pkgutil

    import reward_lab

    checks = own_project().checks(lesson)
    found = {}
    for module in pkgutil.walk_packages(reward_lab.__path__, "reward_lab."):
        if ".checks" in module.name or module.name.endswith("__main__"):
            continue
        for name in checks.__all__:
            thing = getattr(importlib.import_module(module.name), name, None)
            if thing is not None and getattr(thing, "__module__", None) == module.name:
                found[name] = module.name
    assert set(found) == set(checks.__all__) - NOT_IN_THE_PACKAGE
    return found


@pytest.mark.parametrize("lesson", own_project().lesson_sources())
def test_in_every_lesson_right_answers_get_full_marks_and_the_packages_own_get_none(
    lesson, lessons, tmp_path
):
    """Without the cells that train, as grading skips them. Two or three submissions of one worker for each lesson."""
    answers, pristine = right_answers(lesson), lessons[lesson]
    own = {name: f"from {place} import {name}" for name, place in places_of(lesson).items()}
    with Worker(Settings("s")) as worker:

        def scores_of(given):
            content = json.dumps(fill(pristine, given)).encode()
            verdict = graded(worker, content, lesson, pristine, tmp_path)
            return {c.grade_id: (c.score, c.max_score) for c in verdict.checks}, verdict

        scores, verdict = scores_of(answers)
        assert all(score == most for score, most in scores.values()), verdict.to_json()
        assert verdict.max_score in (10, 14) and not verdict.notes, verdict.to_json()
        scores, verdict = scores_of({**answers, **own})
        assert not any(scores[f"check_{name}"][0] for name in own), verdict.to_json()
        if lesson in IN_ONE_LINE:
            scores, verdict = scores_of({**answers, **IN_ONE_LINE[lesson]})
            lost = {name for name, (score, most) in scores.items() if score == 0}
            assert lost == {f"check_{name}" for name in IN_ONE_LINE[lesson]}, verdict.to_json()
