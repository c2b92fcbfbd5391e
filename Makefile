# Everything here makes its own virtual environment in .venv the first time.
PYTHON     ?= python3
VENV       ?= .venv
BIN        := $(VENV)/bin
RECIPE     ?= pipelines/bitext.toml
RUNS       ?= runs
WORKERS    ?= 2
# what `make test` installs beside the core; tests of what is not there are skipped (EXTRAS=dev for the least)
EXTRAS     ?= dev,models,ct2,solvers,text
LANGUAGES  := deu_Latn swh_Latn rus_Cyrl
# gold corpora for bench-quality and for the tests that use them; everything else works without
export XPROJ_DATA ?= ../shared/data

.PHONY: help demo test check bench bench-align bench-tuning bench-train bench-translate bench-quality bench-confidence bench-votes bench-scripts bench-dictionaries bench-extrinsic bench-students bench-translation bench-placement bench-memory clean
help:          ## this list
	@sed -n 's/^\([a-z%<>-]*\):.*## /\1	/p' Makefile

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	$(BIN)/xproj doctor --quiet --runs $(RUNS)  # compiles the kernels once
	@touch $@

# torch by its version and first: a range of versions may bring gigabytes of GPU libraries; an older pip builds seqeval,
# which has no wheel, without what its build needs, unless told to build as pyproject.toml does
$(VENV)/.dev: $(VENV)/.core
	$(if $(findstring models,$(EXTRAS)),$(BIN)/pip install --quiet $(shell grep '^torch==' constraints.txt))
	$(BIN)/pip install --quiet --use-pep517 --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(VENV)/.core ## project the sample corpus into three languages, train and score a tagger for each
	@echo "three languages, $(WORKERS) at a time; each prints its results when it is done (half a minute)"
	@$(MAKE) --no-print-directory --jobs $(WORKERS) --output-sync=target $(LANGUAGES:%=demo-%)

demo-%: $(VENV)/.core
	@$(BIN)/xproj run pipelines/demo.toml --language $* --runs $(RUNS)

corpus-%: $(VENV)/.core ## corpus-<language> RECIPE=…: run a recipe for one language
	$(BIN)/xproj run $(RECIPE) --language $* --workers $(WORKERS) --runs $(RUNS)

test: $(VENV)/.dev ## the test suite, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/.dev ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev ## speed as ratios against peers, side by side
	$(BIN)/python benchmarks/speed.py

bench-align: $(VENV)/.dev ## neural alignment against the simalign package (pip install 'xproj[models]')
	$(BIN)/python benchmarks/align.py

bench-tuning: $(VENV)/.dev ## fine-tuning a small encoder on real text (XPROJ_DATA, a quarter of an hour)
	$(BIN)/python benchmarks/tuning.py

bench-train: $(VENV)/.dev ## training of a tagger against the Trainer with its defaults (XPROJ_DATA, a quarter of an hour)
	$(BIN)/python benchmarks/train.py

bench-translate: $(VENV)/.dev ## tokens/s of translation against plain `generate` (pip install 'xproj[models,ct2]', 5 GB)
	$(BIN)/python benchmarks/translate.py

bench-placement: $(VENV)/.dev ## marker placement: agreement of the reduced range with all, seconds per entity
	$(BIN)/python benchmarks/placement.py

bench-quality: $(VENV)/.dev ## projection quality on gold corpora (XPROJ_DATA)
	$(BIN)/python benchmarks/quality.py

bench-confidence: $(VENV)/.dev ## weights of the filter of doubtful spans, and what it changes (XPROJ_DATA)
	$(BIN)/python benchmarks/confidence.py

bench-votes: $(VENV)/.dev ## a vote over five variants of the aligner on Europarl-NER (XPROJ_DATA)
	$(BIN)/python benchmarks/votes.py

bench-scripts: $(VENV)/.dev ## names across scripts: gold in Arabic letters and kana (XPROJ_DATA), CLDR's names
	$(BIN)/python benchmarks/scripts.py

bench-dictionaries: $(VENV)/.dev ## what FreeDict's dictionaries bring (Debian packages dict-freedict-eng-*)
	$(BIN)/python benchmarks/dictionaries.py

ENGLISH := $(RUNS)/english
bench-memory: $(VENV)/.dev ## peak memory of the stages at 1 and 20 shards
	$(BIN)/python benchmarks/memory.py $(if $(wildcard $(ENGLISH)),--tagger $(ENGLISH))

$(ENGLISH): $(VENV)/.core
	mkdir -p $(RUNS)/english-data
	cp $(XPROJ_DATA)/source-ner/*.conll $(RUNS)/english-data
	cp $(XPROJ_DATA)/uner-pud/en.conll $(RUNS)/english-data/pud.conll
	cp $(XPROJ_DATA)/europarl-ner/en.conll $(RUNS)/english-data/europarl.conll
	$(BIN)/xproj train $(RUNS)/english-data --output $@ --language eng_Latn --set 'train.labels={MISC="O"}'

bench-extrinsic: $(ENGLISH) ## from raw English text to a Hausa and a Swahili tagger (XPROJ_DATA, half an hour)
	for pair in hau:hau_Latn swa:swh_Latn; do $(BIN)/xproj run benchmarks/extrinsic.toml \
	  --language $${pair#*:} --runs $(RUNS) --set ingest.path=$(abspath $(XPROJ_DATA))/lafand/en-$${pair%:*}.tsv \
	  --set tag.model=$(abspath $(ENGLISH)) \
	  --set evaluate.gold=$(abspath $(XPROJ_DATA))/masakhaner2/$${pair%:*}/test.conll || exit; done

bench-students: $(VENV)/.dev ## noise-aware training and distillation on the corpora of bench-extrinsic (an hour)
	$(BIN)/python benchmarks/students.py --runs $(RUNS)

# without Europarl: its Spanish side is the test
ENGLISH_UNER := $(RUNS)/english-uner
$(ENGLISH_UNER): $(VENV)/.core
	mkdir -p $@-data
	cp $(XPROJ_DATA)/source-ner/*.conll $@-data
	cp $(XPROJ_DATA)/uner-pud/en.conll $@-data/pud.conll
	$(BIN)/xproj train $@-data --output $@ --language eng_Latn

bench-translation: $(ENGLISH_UNER) ## both routes through Apertium, scored on Spanish gold (XPROJ_DATA, an hour)
	$(BIN)/python benchmarks/translation.py --english $(ENGLISH_UNER)-data --tagger $(ENGLISH_UNER) --runs $(RUNS)

clean:         ## remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
