#!/usr/bin/env bash
# Active learning on several GPUs (NCCL) or CPU processes (gloo) of one or more machines.
#
#   tools/dist_al_loop.sh CONFIG PROCESSES [options of al_loop.py]
#
# PROCESSES are those of each machine. For several machines set NNODES, NODE_RANK, MASTER_ADDR and
# PORT alike on all of them, NODE_RANK from 0. PYTHON names another interpreter.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
config=$1 processes=$2
shift 2
machines=${NNODES:-1}
if [ "$machines" -gt 1 ]; then
    meet=(--nnodes "$machines" --node_rank "${NODE_RANK:?set NODE_RANK, from 0}")
    meet+=(--master_addr "${MASTER_ADDR:?set MASTER_ADDR}" --master_port "${PORT:-29500}")
else
    meet=(--standalone)
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${meet[@]}" --nproc_per_node "$processes" \
    "$(dirname "${BASH_SOURCE[0]}")/al_loop.py" "$config" --launcher pytorch "$@"
