#!/usr/bin/env bash
# One Ray cluster over the nodes of a Slurm job, for one run: sbatch docs/cluster/slurm.sh demo /shared/runs/demo
# More arguments go to `skep run`, such as --set poses.count=3000; options of sbatch come before the script: --nodes=8 --gpus-per-node=8.
#SBATCH --job-name=skep
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail

RECIPE=${1:-demo}
RUN=${2:?give the run folder, on a disk or in a bucket that all nodes see}
SKEP_HOME=${SKEP_HOME:-$PWD}
shift 2
PORT=$((20000 + SLURM_JOB_ID % 20000))
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# A token for this job alone, in a file that only its owner reads.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=${TMPDIR:-/tmp}/skep-$SLURM_JOB_ID.token RAY_USAGE_STATS_ENABLED=0
TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export TOKEN RECIPE RUN
export PATH=$SKEP_HOME/.venv/bin:$PATH # symmetric-run calls `ray` by name

# Slurm has ended the start of this job before; its lock may name a node that is not among these, and would be trusted for ever.
LOCK=${RUN#file://}/lock
if [ "${SLURM_RESTART_COUNT:-0}" != 0 ] && grep -qs "\"slurm_job\": \"$SLURM_JOB_ID\"" "$LOCK"; then
  rm -f "$LOCK"
fi

# symmetric-run starts Ray on every node, runs the command on the first one when all have joined, and stops Ray after it.
# A requeued job runs the same command again and goes on where it was.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 bash -c '
  umask 077 && printf %s "$TOKEN" > "$RAY_AUTH_TOKEN_PATH" && unset TOKEN
  trap "rm -f $RAY_AUTH_TOKEN_PATH" EXIT
  ray symmetric-run --address "'"$HEAD:$PORT"'" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --include-dashboard=false --disable-usage-stats -- \
    skep run "$RECIPE" --run "$RUN" --executor ray --ray-address auto "$@"
' skep "$@"
