#!/usr/bin/env bash
# Start SCRIPT on GPUS processes per node: dist_run.sh GPUS SCRIPT ARGS...
# NNODES, NODE_RANK, MASTER_ADDR and PORT as in MMAction2; MAX_RESTARTS restarts a dead run on a
# single node (several nodes: let the scheduler requeue the job).
# A single node without PORT takes a free port, so that two runs do not meet.
set -euo pipefail
[[ $# -ge 2 ]] || { echo "usage: $0 GPUS SCRIPT [ARGS...]" >&2; exit 2; }

GPUS=$1
SCRIPT=$2
NNODES=${NNODES:-1}
MAX_RESTARTS=${MAX_RESTARTS:-0}

if [[ $NNODES == 1 && -z ${PORT:-} ]]; then
    rendezvous=(--standalone)
    # Restarted processes would look for the dead ones in a shared store (pytorch #135712).
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
else
    rendezvous=(--nnodes="$NNODES" --node-rank="${NODE_RANK:-0}"
        --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}")
fi

exec python -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node="$GPUS" \
    --max-restarts="$MAX_RESTARTS" "$SCRIPT" "${@:3}" --launcher pytorch
