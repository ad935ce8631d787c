# Two commands do all the set-up: `make map SONG=...` and `make test`.
PYTHON ?= python3
SONG ?= examples/demo_song.ogg
OUT ?= $(basename $(notdir $(SONG))).zip
ARGS ?=
PIP := .venv/bin/python -m pip install --disable-pip-version-check -q
ROOMS := adapter prompts finetune infer eval scripts

.PHONY: map test check types clean

map: .venv/.core
	.venv/bin/saberlm map "$(SONG)" -o "$(OUT)" $(ARGS)

test: .venv/.dev
	.venv/bin/python -m pytest -q -m "not slow and not gpu and not weights and not browser"

check: .venv/.dev types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy -p saberlm
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -q -m "not slow and not gpu and not weights and not browser"

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

clean:
	rm -rf .venv .types build dist *.egg-info
