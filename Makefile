# Two commands do everything from a bare clone: `make demo` and `make test`. `make figures` draws the pictures of
# README and docs: those of FSLeyes and of real scans where these are (docs/make_images.py says where it looks).
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
JOBS ?= 2
BIN = $(VENV)/bin
SOURCES = setup.cfg pyproject.toml constraints.txt
# what needs no whole job, no other program and no picture: some minutes
FAST = $(addprefix tests/,attribution brain decoding disk evidence models saliency scans series simulated_scans simulation \
	test_records.py test_settings.py)
# old versions warn of what is to come; new ones warn of what this package does not do yet, and that is an error
OLD = -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning

.PHONY: demo test test-oldest test-newest figures clean

demo: $(VENV)/.installed
	$(BIN)/fmri-saliency demo $(DEMO)
	@echo "Open $(DEMO)/results/report.html in a browser."

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	PATH="$(abspath $(BIN)):$$PATH:$(abspath $(VENV))/snakemake/bin" $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --cov $(PYTEST)

# the lowest versions that setup.cfg allows, and the newest there are; torch is the pinned one in both, and is there
# before the others are asked for: other builds pull several gigabytes
test-oldest: $(VENV)/oldest/.installed
	PATH="$(abspath $(VENV)/oldest/bin):$$PATH" $(VENV)/oldest/bin/python -m pytest $(OLD) --numprocesses $(JOBS) --dist loadfile $(FAST) $(PYTEST)

test-newest: $(VENV)/newest/.installed
	PATH="$(abspath $(VENV)/newest/bin):$$PATH" $(VENV)/newest/bin/python -m pytest --numprocesses $(JOBS) --dist loadfile $(FAST) $(PYTEST)

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

$(VENV)/oldest/.installed $(VENV)/newest/.installed: $(VENV)/%/.installed: $(SOURCES)
	$(PYTHON) -m venv $(@D)
	grep '^torch==' constraints.txt > $(@D)/torch.txt
	$(@D)/bin/python -m pip install --quiet uv --requirement $(@D)/torch.txt
	$(@D)/bin/uv pip install --quiet --python $(@D)/bin/python --constraint $(@D)/torch.txt \
		--resolution $(if $(findstring oldest,$*),lowest-direct,highest) --editable .
	$(@D)/bin/uv pip freeze --python $(@D)/bin/python --exclude-editable > $(@D)/versions.txt
	$(@D)/bin/uv pip install --quiet --python $(@D)/bin/python --constraint $(@D)/versions.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
