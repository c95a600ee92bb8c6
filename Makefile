# leukodiff: `make demo` shows it, `make check` and `make test` check it. Each sets itself up.
# Paths are relative throughout, so that the folder may have a space in its name.

UV_VERSION := 0.13.9
RUN_ENV := .venv
TEST_ENV := .venv-test
DOCS_ENV := .venv-docs
DEMO_OUT := demo-out

# The first Python of 3.11 or newer; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

# Behind a hospital's or a company's proxy only the system knows the certificate; a bare image may have none.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-bundle.crt /etc/ssl/cert.pem)
UV_OPTIONS := $(if $(CERTIFICATES),--system-certs)

ROOMS := classifier core datasets detector pipeline runtime
SOURCES := $(ROOMS) tests benchmarks

QUICK := not (slow or browser or cluster or database or data)

.PHONY: help docs demo run-env test-env check test style types lint quick-tests slow-tests web format lock clean

help:
	@echo "make demo    a smear, its analysis and the differential; installs what it needs, no torch"
	@echo "make check   style, types, import rules and the quick tests: two minutes; installs torch (5 GB)"
	@echo "make test    style, types, import rules and all tests"
	@echo "make docs    the documentation as a site in site/, which needs no network"
	@echo "make lint    style, types and import rules alone"
	@echo "make web     what the review's pages take from npm, and the check of their scripts; needs node"
	@echo "make format  let ruff mend the style"
	@echo "make lock    resolve requirements.lock again"
	@echo "make clean   remove the environments and what the tools left"

demo: $(RUN_ENV)/ready
	@$(RUN_ENV)/bin/leukodiff demo --out $(DEMO_OUT)

run-env: $(RUN_ENV)/ready
test-env: $(TEST_ENV)/ready

# Types are checked beside the tests.
check: style
	@$(MAKE) --no-print-directory -j2 types quick-tests

test: check web slow-tests

# Two processes; `make check PROCESSES=4` where there are more cores. `COVERAGE=--cov` measures.
# Of the slow tests many wait for processes of their own: one more keeps the cores busy.
PROCESSES := 2
SLOW_PROCESSES := 3
PYTEST = $(TEST_ENV)/bin/pytest --dist loadgroup

quick-tests: $(TEST_ENV)/ready
	$(PYTEST) -n $(PROCESSES) -q -m "$(QUICK)" $(COVERAGE)

slow-tests: check
	$(PYTEST) -n $(SLOW_PROCESSES) -m "$(subst not ,,$(QUICK))"

# The review's viewer is OpenSeadragon's; without node the viewer says what is missing and all else works.
WEB := pipeline/review/web/npm
web:
	@if command -v npm >/dev/null; then \
		npm --prefix $(WEB) ci --no-audit --no-fund --loglevel=error && \
		npm --prefix $(WEB) run --silent build && npm --prefix $(WEB) run --silent check; \
	else echo "no npm here: the review's pages go without their viewer, their scripts unchecked"; fi

docs: $(DOCS_ENV)/ready
	@NO_MKDOCS_2_WARNING=1 $(DOCS_ENV)/bin/mkdocs build --quiet --strict
	@echo "open site/index.html"

lint: style types

style: $(TEST_ENV)/ready
	$(TEST_ENV)/bin/ruff check $(SOURCES)
	$(TEST_ENV)/bin/ruff format --check $(SOURCES)

types: $(TEST_ENV)/ready
	$(TEST_ENV)/bin/mypy typings/leukodiff tests benchmarks
	$(TEST_ENV)/bin/lint-imports --no-logo

format: $(TEST_ENV)/ready
	$(TEST_ENV)/bin/ruff check --fix $(SOURCES)
	$(TEST_ENV)/bin/ruff format $(SOURCES)

# The lock pins every extra on every platform; one environment takes from it what it needs.
# Pins stay as they are unless pyproject.toml rules them out; `make lock UPGRADE=--upgrade` renews them.
lock: $(RUN_ENV)/uv
	$(RUN_ENV)/bin/uv $(UV_OPTIONS) pip compile pyproject.toml $(UPGRADE) --universal --all-extras \
		--python-version 3.11 --fork-strategy fewest --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --quiet --output-file requirements.lock

clean:
	rm -rf $(WEB)/node_modules pipeline/review/web/static/lib
	rm -rf $(RUN_ENV) $(TEST_ENV) $(DOCS_ENV) $(DEMO_OUT) site build dist leukodiff.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# An environment is ready when everything in it is installed; a broken one is made anew.
%/ready: %/uv requirements.lock pyproject.toml
	@$*/bin/uv $(UV_OPTIONS) pip install --python $*/bin/python --constraints requirements.lock \
		--build-constraints requirements.lock --editable '.$(EXTRAS)'
	@touch "$@"

$(TEST_ENV)/ready: EXTRAS = [train,dev,docs]
$(DOCS_ENV)/ready: EXTRAS = [docs]

%/uv:
	@test -n "$(PYTHON)" || { echo "leukodiff needs Python 3.11 or newer; none was found"; exit 1; }
	@echo "setting up $* with $(PYTHON) (once)"
	@"$(PYTHON)" -m venv --clear $*
	@$*/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch "$@"

.PRECIOUS: %/uv %/ready
