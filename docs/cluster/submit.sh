#!/usr/bin/env bash
# Hand a run to a cluster that is up: RAY_API_SERVER_ADDRESS=http://head:8265 docs/cluster/submit.sh demo s3://bucket/runs/demo
# Every node has skep installed at the same version. More arguments go to `skep run`, such as --set poses.count=3000.
set -euo pipefail

RECIPE=${1:?give a recipe that the cluster can read}
RUN=${2:?give the run folder, on a disk or in a bucket that all nodes see}
shift 2
SKEP=${SKEP:-skep} # on the cluster's nodes
RAY=${RAY:-ray}    # here

exec "$RAY" job submit --address "${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}" -- \
  "$SKEP" run "$RECIPE" --run "$RUN" --executor ray --ray-address auto "$@"
