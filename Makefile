# `make run` and `make test` need Python 3.11 or later and nothing else; all they install is in
# .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RUNNABLE := $(VENV)/.runnable
BOXES := .boxes
BOX_TESTS := $(subst /,.,$(basename $(wildcard tests/boxes/against_*.py)))
SOURCES := bench corsgate docs examples tests twisted

.PHONY: help run test test-boxes lint format docs man bench bench-calls bench-scale bench-cors bench-startup soak soak-reload attack clean

help:
	@echo 'make run    the demo: a server without CORS, an app, and the gate between them; ARGS="--app-port 4201"'
	@echo 'make test   all tests'
	@echo 'make test-boxes  the gate before real boxes, which it installs; some minutes'
	@echo 'make lint   ruff and mypy'
	@echo 'make format let ruff lay out the code'
	@echo 'make docs   the documents as a site, in build/site'
	@echo 'make man    the man pages, in share/man'
	@echo 'make bench  the gate and its peers under load; ARGS=--help lists the options'
	@echo 'make bench-calls  the Python calls and bytecodes of one request, without a network'
	@echo 'make bench-scale  what many routes, origins and idle connections cost'
	@echo 'make bench-cors  the CORS decision alone, beside other libraries'
	@echo 'make bench-startup  how long a start takes, until the gate reports READY=1'
	@echo 'make soak   a minute with servers that fail, beside HAProxy'
	@echo 'make soak-reload  a gate under load that reloads every second; ARGS="--seconds 600"'
	@echo 'make attack attacks on a gate, and what another client sees; some minutes'
	@echo 'make clean  remove what the above have made'

run: $(RUNNABLE)
	@$(strip $(BIN)/python -m corsgate demo $(ARGS))

test: $(INSTALLED)
	$(BIN)/python -m twisted.trial -j2 tests

test-boxes: $(INSTALLED) $(BOXES)/.installed
	$(BIN)/python -m twisted.trial -j2 $(BOX_TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# A warning, such as a link that leads nowhere, is an error. `make test` builds the site too. All pages are
# made anew, since the program, which some are made from, may have changed.
docs: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -E -a -b html -d build/doctrees docs build/site
	@echo 'Open build/site/index.html'

man: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -t man -E -b man -d build/doctrees-man docs build/man
	install -D -m 644 build/man/corsgate.1 share/man/man1/corsgate.1
	install -D -m 644 build/man/corsgate.toml.5 share/man/man5/corsgate.toml.5

bench: $(INSTALLED)
	$(BIN)/python -m bench.run $(ARGS)

bench-calls: $(INSTALLED)
	$(BIN)/python -m bench.calls $(ARGS)

bench-scale: $(INSTALLED)
	$(BIN)/python -m bench.scale $(ARGS)

bench-cors: $(INSTALLED)
	$(BIN)/python -m bench.decision $(ARGS)

bench-startup: $(INSTALLED)
	$(BIN)/python -m bench.startup $(ARGS)

soak: $(INSTALLED)
	$(BIN)/python -m bench.soak $(ARGS)

soak-reload: $(INSTALLED)
	$(BIN)/python -m bench.soak_reload $(ARGS)

attack: $(INSTALLED)
	$(BIN)/python -m bench.attack $(ARGS)

# Without python3-venv, a bare Debian would make half an environment, with a long message.
define make_venv
@command -v $(PYTHON) >/dev/null || { echo 'there is no $(PYTHON); on Debian: sudo apt install python3-venv' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'corsgate needs Python 3.11 or later, and $(PYTHON) is older; name another: make $(MAKECMDGOALS) PYTHON=python3.11' >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) can make no virtual environment; on Debian: sudo apt install python3-venv' >&2; exit 1; }
@$(PYTHON) -m venv $(VENV)
endef

# The stamp, not the directory, is the target: an install that broke off is done again.
$(RUNNABLE): setup.cfg pyproject.toml
	$(make_venv)
	@echo 'installing corsgate and what it needs into $(VENV), about 30 s ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(INSTALLED): setup.cfg pyproject.toml
	$(make_venv)
	@echo 'installing corsgate and what its tests need into $(VENV), about a minute ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(RUNNABLE) $@

# Those of Debian are not installed here: .ci/run names them. Without npm, its boxes are skipped.
# The lock names no registry; to renew it, run in tests/boxes:
# npm install --package-lock-only --omit-lockfile-registry-resolved
$(BOXES)/.installed: $(addprefix tests/boxes/,requirements.txt package.json package-lock.json)
	$(PYTHON) -m venv $(BOXES)/venv
	$(BOXES)/venv/bin/python -m pip install --quiet --no-deps --no-compile --requirement $<
	mkdir -p $(BOXES)/node
	cp $(filter-out $<,$^) $(BOXES)/node
	! command -v npm >/dev/null || npm ci --prefix $(BOXES)/node --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf $(VENV) $(BOXES) bench/.peers build dist *.egg-info _trial_temp* .hypothesis .mypy_cache .ruff_cache
