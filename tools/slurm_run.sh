#!/usr/bin/env bash
# Start a script under Slurm: slurm_run.sh PARTITION JOB_NAME SCRIPT ARGS...
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS as in MMAction2. Slurm signals a job it is about
# to stop with SIGTERM; the run then saves, and goes on where the job is queued anew.
set -euo pipefail
[[ $# -ge 3 ]] || { echo "usage: $0 PARTITION JOB_NAME SCRIPT [ARGS...]" >&2; exit 2; }

GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
export MASTER_PORT=${PORT:-$((12000 + RANDOM % 20000))}

# shellcheck disable=SC2086  # SRUN_ARGS is a list of arguments
exec srun -p "$1" --job-name="$2" --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$3" "${@:4}" --launcher slurm
