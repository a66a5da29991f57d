# make demo    a site to look at: Django and a websockets server, in the foreground
# make test    all tests; sets everything up by itself. SEED=N repeats an order, PATIENCE=3 waits longer
# make quick   the tests that need no server, browser or compiler, in a minute
# make mutants  which changes of the code no test notices: access, revocation, channels, publishing
# make matrix  the same tests with other versions of Python, Django and what else is needed
# make faults  kill, suspend and slow down each part during publishing: a table in Markdown
# make security  how soon clients are out when a right ends: a table in Markdown
# make full    make test, and what takes longer
# make lint types figures front go bench docs    see below
VENV ?= .venv
export VENV
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test quick matrix mutants full lint types figures front go bench faults security docs setup clean

demo:
	@.ci/setup demo
	@$(BIN)/python -m tests.demo $(ARGS)

setup:
	@.ci/setup test

test: setup
	@.ci/test $(ARGS)

quick:
	@.ci/setup quick
	@QUICK=1 $(BIN)/python -m pytest -q -n 4 --dist worksteal $(ARGS)

matrix: setup
	@$(BIN)/python -m tests.matrix $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy
	@if [ -d frontend/node_modules ]; then cd frontend && npm run --silent types; else echo "types of frontend/: left out, no npm packages"; fi

figures: setup  # sizes of files and functions, docstrings, circles and floors: make figures ARGS="--root DIR"
	$(BIN)/python -m tests.structure.figures $(ARGS)

front: setup  # the JavaScript client, for npm and for static files, and the words of the wire from instant/protocol.py
	$(BIN)/python frontend/generate_protocol.py
	cd frontend && npm run --silent build

go:  # the publisher: vet, tests, and the binary for this checkout
	cd instant/go && go vet ./... && go test ./... && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/publisher .

mutants: setup  # about 35 minutes; changes the code in thousands of ways, and reports each change that no test notices
	$(BIN)/pip install -q "mutmut>=3.8,<4"
	QUICK=devserver $(BIN)/python -m mutmut run --max-children 2 $(ARGS)
	$(BIN)/python -m mutmut results

bench: setup  # all ways to publish, in one run: make bench ARGS="--rounds 5"
	$(BIN)/python -m tests.benchmarks $(ARGS)

full: test matrix mutants  # and what takes longer: each process model with each backend, 300 clients of nodes, 100,000 fuzz cases, faults, docs/security.md
	PROCESSES=all $(BIN)/python -m pytest -q tests/processes
	NODES=full $(BIN)/python -m pytest -q tests/nodes
	FUZZ_CASES=100000 $(BIN)/python -m pytest -q tests/security/test_fuzzing.py
	$(BIN)/python -m tests.faults
	$(BIN)/python -m tests.security $(ARGS)

faults: setup  # about half an hour; to continue an interrupted run: make faults ARGS="--resume --write"
	$(BIN)/python -m tests.faults $(ARGS)

security: setup  # honest and hostile clients, each cause, two stacks, against docs/security.md: make security ARGS=--write
	$(BIN)/python -m tests.security $(ARGS)

docs: setup  # each snippet and command of the documentation
	$(BIN)/python -m pytest tests/test_docs.py tests/browser/test_tutorial.py tests/integration/test_nginx.py -q

clean:
	rm -rf $(VENV) build dist mutants *.egg-info frontend/node_modules frontend/dist .mypy_cache .ruff_cache .import_linter_cache
