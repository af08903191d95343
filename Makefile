# `make run` and `make test` need only Python 3.11 or later. They install everything in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RUNNABLE := $(VENV)/.runnable
BOXES := .boxes
# One process more than the cores of the CI machine: many tests wait for a process or a browser.
JOBS ?= 3
BOX_TESTS := $(subst /,.,$(basename $(wildcard tests/boxes/against_*.py)))
SOURCES := bench corsgate docs examples tests twisted

.PHONY: help run test test-boxes lint format docs man bench bench-calls bench-scale bench-cors bench-startup soak soak-reload attack clean

help:
	@echo 'make run            the demo: a closed box, an app, and the gate between them; ARGS="--app-port 4201"'
	@echo 'make test           all tests'
	@echo 'make test-boxes     the gate with real boxes, which it installs; takes minutes'
	@echo 'make lint           ruff and mypy'
	@echo 'make format         format the code with ruff'
	@echo 'make docs           the documentation as a site, in build/site'
	@echo 'make man            the man pages, in share/man'
	@echo 'make bench          the gate and other proxies under load; ARGS=--help lists the options'
	@echo 'make bench-calls    the Python calls and bytecodes of one request, without a network'
	@echo 'make bench-scale    the cost of many routes, origins and idle connections'
	@echo 'make bench-cors     only the CORS decision, compared with other libraries'
	@echo 'make bench-startup  the time from the start until the gate reports READY=1'
	@echo 'make soak           a minute with failing servers, compared with HAProxy'
	@echo 'make soak-reload    a gate under load that reloads every second; ARGS="--seconds 600"'
	@echo 'make attack         attacks on a gate, and what another client sees; takes minutes'
	@echo 'make clean          remove everything that the other targets have made'

run: $(RUNNABLE)
	@$(strip $(BIN)/python -m corsgate demo $(ARGS))

test: $(INSTALLED)
	$(BIN)/python -m twisted.trial -j$(JOBS) tests

test-boxes: $(INSTALLED) $(BOXES)/.installed
	$(BIN)/python -m twisted.trial -j$(JOBS) $(BOX_TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# A warning, such as a broken link, is an error. `make test` also builds the site. All pages are made
# again, since some are made from the program, which may have changed.
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

# Without python3-venv, a bare Debian makes half an environment, with a long message.
define make_venv
@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) is not installed; on Debian: sudo apt install python3-venv' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'corsgate needs Python 3.11 or later, and $(PYTHON) is older; name another: make $(MAKECMDGOALS) PYTHON=python3.11' >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make a virtual environment; on Debian: sudo apt install python3-venv' >&2; exit 1; }
@$(PYTHON) -m venv $(VENV)
endef

# The stamp, not the directory, is the target, so that an interrupted install is done again.
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

# Debian packages are not installed here: .ci/run names them. Without npm, the boxes that need it are skipped.
# The lock file names no registry. To renew it, run in tests/boxes:
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
