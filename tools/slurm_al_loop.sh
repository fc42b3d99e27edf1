#!/usr/bin/env bash
# Active learning as a Slurm job.
#
#   tools/slurm_al_loop.sh PARTITION JOB_NAME CONFIG [options of al_loop.py]
#
# Environment: GPUS (of the job, 8), GPUS_PER_NODE (8; 0 for a job of CPUs), TASKS_PER_NODE
# (GPUS_PER_NODE, or GPUS if that is 0), CPUS_PER_TASK (5), SRUN_ARGS (more options of srun), PYTHON.
# A process that dies ends the job; the same command with --resume goes on.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
partition=$1 job=$2 config=$3
shift 3
gpus_per_node=${GPUS_PER_NODE:-8}
tasks_per_node=${TASKS_PER_NODE:-$gpus_per_node}
if [ "$tasks_per_node" -eq 0 ]; then
    tasks_per_node=${GPUS:-8}
fi
resources=(--ntasks "${GPUS:-8}" --ntasks-per-node "$tasks_per_node")
resources+=(--cpus-per-task "${CPUS_PER_TASK:-5}")
if [ "$gpus_per_node" -gt 0 ]; then
    resources+=(--gres "gpu:$gpus_per_node")
fi
# shellcheck disable=SC2086 # SRUN_ARGS are several words
exec srun --partition "$partition" --job-name "$job" "${resources[@]}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/al_loop.py" "$config" \
    --launcher slurm "$@"
