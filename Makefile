# Environments live outside the checkout, one for each lock file and Python; ARGS are passed on.
PYTHON ?= python3
CACHE := $(or $(ANTHROPIC_PROXY_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/anthropic-proxy)
ifeq ($(shell $(PYTHON) -c "import sys; print(sys.version_info >= (3, 11))" 2>/dev/null),)
$(error there is no $(PYTHON): install Python 3.11 or newer, or name one with `make PYTHON=...`)
else ifneq ($(shell $(PYTHON) -c "import sys; print(sys.version_info >= (3, 11))" 2>/dev/null),True)
$(error $(PYTHON) is older than 3.11: install a newer Python, or name one with `make PYTHON=...`)
endif
environment = $(CACHE)/venv-$(shell $(PYTHON) -c "import hashlib, sys; \
	print(hashlib.sha256(open('$(1)', 'rb').read() + sys.version.encode()).hexdigest()[:16])")
RUNTIME := $(call environment,requirements.txt)
DEV := $(call environment,requirements-dev.txt)
FUZZ := $(call environment,requirements-fuzz.txt)
COMPILE = PIP_FIND_LINKS= $(CACHE)/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(ARGS) pyproject.toml
export PYTHONPATH := $(CURDIR)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)
run: $(RUNTIME)/ready ## start the proxy on the embedded ledger
	@exec $(RUNTIME)/bin/python -m proxy serve $(ARGS)
demo: $(RUNTIME)/ready ## start it against a built-in upstream with sample traffic
	@exec $(RUNTIME)/bin/python -m proxy demo $(ARGS)
test: $(DEV)/ready ## run the tests
	$(DEV)/bin/python -m pytest -n auto -m "not stack" --ignore tests/stack --ignore tests/faults $(ARGS)
faults: $(DEV)/ready ## run the fault suite and write its table into docs/faults.md
	$(DEV)/bin/python -m pytest -n auto tests/faults --faults-page $(ARGS)
fuzz: $(FUZZ)/ready ## 100,000 cases for each target, guided by coverage, on CPython 3.11 to 3.13; ARGS="sse --cases 5000"; --write renews docs/fuzz.md
	@$(FUZZ)/bin/python -m tests.fuzz $(ARGS)
figures: $(DEV)/ready ## make the long runs and write their figures into docs/figures.md; ARGS="kills --quick"
	$(DEV)/bin/python -m tests.long $(ARGS)
chaos: $(DEV)/ready ## agent traffic while everything fails in random order, 20 minutes; ARGS="--minutes 2 --seed 7"
	$(DEV)/bin/python -m tests.chaos $(ARGS)
test-stack: $(DEV)/ready ## run the tests against real Prometheus, Loki, Collector and Alertmanager, built once
	$(DEV)/bin/python -m tests.servers
	$(DEV)/bin/python -m pytest tests/stack tests/servers $(ARGS)
check: $(DEV)/ready ## lint, formatting and types
	$(DEV)/bin/ruff check . && $(DEV)/bin/ruff format --check . && $(DEV)/bin/mypy
docs: $(DEV)/ready ## write the generated parts of the documents
	$(DEV)/bin/python -m docs $(ARGS)
dashboards: $(DEV)/ready ## write Grafana's dashboards
	$(DEV)/bin/python -m dashboards $(ARGS)
bench: $(DEV)/ready ## compare with nginx, LiteLLM and mitmproxy; ARGS=--write renews docs/performance.md
	$(DEV)/bin/python -m benchmarks $(ARGS)
bench-storage: $(DEV)/ready ## weigh an agent's session on disk and write docs/storage.md
	$(DEV)/bin/python -m benchmarks.storage
lock: ## pin all packages with hashes; run it with the oldest supported Python
	$(PYTHON) -m venv $(CACHE)/lock && $(CACHE)/lock/bin/pip install --quiet --upgrade pip pip-tools
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra test --extra dashboards --extra check --constraint requirements.txt --output-file requirements-dev.txt
	$(COMPILE) --extra test --extra fuzz --constraint requirements-dev.txt --output-file requirements-fuzz.txt
clean: ## remove the environments
	rm -rf $(CACHE)/venv-* $(CACHE)/lock
%/ready:
	@echo "setting up $* (once)"
	@$(PYTHON) -m venv --clear $*
	@$*/bin/pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement $(if $(filter $(DEV),$*),requirements-dev.txt,$(if $(filter $(FUZZ),$*),requirements-fuzz.txt,requirements.txt)) && touch $@
.PHONY: help run demo test faults fuzz figures chaos test-stack check docs dashboards bench bench-storage lock clean
