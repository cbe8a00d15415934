# Two commands do everything from a bare clone: `make demo` and `make test`. `make figures` draws the pictures of
# README and docs: those of FSLeyes and of real scans where these are (docs/make_images.py says where it looks).
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
JOBS ?= 2
BIN = $(VENV)/bin
SOURCES = setup.cfg pyproject.toml constraints.txt

.PHONY: demo test figures clean

demo: $(VENV)/.installed
	$(BIN)/fmri-saliency demo $(DEMO)
	@echo "Open $(DEMO)/results/report.html in a browser."

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	PATH="$(abspath $(BIN)):$$PATH:$(abspath $(VENV))/snakemake/bin" $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --cov $(PYTEST)

figures: $(VENV)/.installed
	test -f $(DEMO)/results/report.html || $(MAKE) demo
	$(BIN)/python docs/make_images.py $(DEMO)/results

# torch comes first: its pinned build is the small one
$(VENV)/.installed: $(SOURCES)
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# snakemake asks for packaging < 26 and nilearn for packaging >= 26: it gets an environment of its own
$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,validate,browser]"
	$(PYTHON) -m venv $(VENV)/snakemake
	$(VENV)/snakemake/bin/python -m pip install --quiet "snakemake>=9,<10" "snakemake-executor-plugin-slurm>=2.8,<3"
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
