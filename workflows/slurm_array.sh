#!/usr/bin/env bash
# The whole job as plain Slurm job arrays, for sites without Snakemake.
#
#     sbatch slurm_array.sh config.toml        or, where jobs may not submit jobs:   bash slurm_array.sh config.toml
#
# It finds the runs (once), then submits: extract, an array with a task for each chunk of runs that is not done; gather,
# when all of these have ended; train and explain, arrays with a task for each network and fold; report; and with [search]
# in the configuration an array with a task for each decoder to compare, one that chooses, and the table. To go on after
# anything went wrong, call it again: what is done is skipped. `squeue --me` shows the jobs, and RESULTS/.workflow/logs what
# they said. It writes the files that `fmri-saliency run CONFIG.toml` and the Snakefile write, and each goes on where another
# stopped.
#
# EDIT the next two lines (delete the account where the site has none).
#SBATCH --partition=main
#SBATCH --account=none
#
# For the job that finds the runs and submits the others:
#SBATCH --job-name=fmri-saliency
#SBATCH --time=60
#SBATCH --mem=4000
#SBATCH --output=fmri-saliency-%j.log

set -euo pipefail

# What the other jobs ask for (memory in MB, time in minutes), for about 15,000 runs of full size, and beside it what was
# measured (15,008 runs, 100 regions, samples of 1 GB; docs/scale.md says how). Each can be set when calling, as in:
# EXTRACT_TIME=120 sbatch slurm_array.sh config.toml
CHUNK_SIZE=${CHUNK_SIZE:-100}      # runs of a task
EXTRACT_MEM=${EXTRACT_MEM:-4000}   # 0.3 GB; 3 GB with reader = "nilearn" or smoothing. More for n_jobs above 1
EXTRACT_TIME=${EXTRACT_TIME:-60}   # 100 runs: 2 minutes, or 20 with reader = "nilearn"
EXTRACT_CPUS=${EXTRACT_CPUS:-1}    # n_jobs in [output]
GATHER_MEM=${GATHER_MEM:-}         # 2000 and the samples when empty: 80 s, 1.9 GB
GATHER_TIME=${GATHER_TIME:-60}
FOLD_MEM=${FOLD_MEM:-}             # 2500 and the samples when empty: 1.9 GB, of which 1 GB are samples
FOLD_TIME=${FOLD_TIME:-240}        # 10 s an epoch (400 regions: 24 s), up to 100 epochs
FOLD_CPUS=${FOLD_CPUS:-1}          # threads in [decoder]
REPORT_MEM=${REPORT_MEM:-}         # 4000 and three times the samples when empty: 1.9 GB
REPORT_TIME=${REPORT_TIME:-120}
AT_ONCE=${AT_ONCE:-200}            # tasks of an array that may run at a time
ARRAY_MAX=${ARRAY_MAX:-}           # tasks of one array; what the site allows (MaxArraySize, less one) when empty

# What a job does that this script submitted: it ends with the exit code of its command.
if [ "${2:-}" = task ]; then
    config=$1 step=$3 list=${4:-}
    row=
    [ -z "$list" ] || row=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$list")
    case $step in
    extract)
        # exit code 1 says that some runs could not be used: rows of runs.tsv, which stop nothing
        done=$(dirname "$list")/chunks/$(printf %04d "$row").done
        fmri-saliency extract "$config" --chunk "$row" || test -f "$done"
        ;;
    gather)
        fmri-saliency gather "$config"
        ;;
    report)
        fmri-saliency train "$config"
        fmri-saliency explain "$config"
        fmri-saliency report "$config"
        ;;
    train | explain)
        read -r network fold <<<"$row"
        fmri-saliency "$step" "$config" --fold "$fold" --network "$network"
        ;;
    try)
        read -r trial _ <<<"$row"
        fmri-saliency search "$config" --trial "$trial"
        ;;
    choose)
        fmri-saliency search "$config" --fold "$row"
        ;;
    search)
        fmri-saliency search "$config"
        ;;
    esac
    exit
fi

if [ $# -ne 1 ] || [ ! -f "$1" ]; then
    echo "usage: sbatch slurm_array.sh CONFIG.toml" >&2
    exit 2
fi
config=$(realpath -- "$1")
script=$0  # of a job: a copy that lasts as long as the job does
if [ -n "${SLURM_JOB_ID:-}" ]; then  # what was chosen when calling holds for all jobs
    export SBATCH_PARTITION=$SLURM_JOB_PARTITION
    [ -z "${SLURM_JOB_ACCOUNT:-}" ] || export SBATCH_ACCOUNT=$SLURM_JOB_ACCOUNT
fi
name=fmri-saliency-$(cksum <<<"$config" | cut -d " " -f 1)
if [ -n "$(squeue --me --noheader --name "$name")" ]; then
    echo "Jobs of an earlier call for $config are still there: wait for them, or cancel them with" >&2
    echo "  scancel --me --name $name" >&2
    exit 1
fi

desk=$(fmri-saliency index "$config" --chunk-size "$CHUNK_SIZE")
mkdir -p "$desk/logs"
logs=${desk//%/%%}/logs  # as names for sbatch, which fills in what begins with %
if [ -z "$ARRAY_MAX" ]; then
    ARRAY_MAX=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
    ARRAY_MAX=$((${ARRAY_MAX:-1001} - 1))
fi
rm -f "$desk"/*.todo.*
for chunk in "$desk"/chunks/*.json; do
    [ -f "${chunk%.json}.done" ] || basename "$chunk" .json
done | sed 's/^0*//' | split -a 4 -l "$ARRAY_MAX" - "$desk/chunks.todo."
split -a 4 -l "$ARRAY_MAX" "$desk/folds.tsv" "$desk/folds.todo."
if [ -f "$desk/trials.tsv" ]; then
    split -a 4 -l "$ARRAY_MAX" "$desk/trials.tsv" "$desk/trials.todo."
    cut -f 2 "$desk/trials.tsv" | sort -nu | split -a 4 -l "$ARRAY_MAX" - "$desk/choices.todo."
fi

array_mb=$(sed -n 's/.*"array_mb": *\([0-9]*\).*/\1/p' "$desk/size.json")  # all samples, as they lie on the disk
GATHER_MEM=${GATHER_MEM:-$((2000 + array_mb))}
FOLD_MEM=${FOLD_MEM:-$((2500 + array_mb))}
REPORT_MEM=${REPORT_MEM:-$((4000 + 3 * array_mb))}

gpu=
! grep -q '"device": "cuda' "$desk/stages/train.json" || gpu=--gpus=1

# submit DEPENDENCY STEP MEMORY MINUTES CPUS [LIST]: a job, or an array with a task for each line of a list; prints its
# number. Bash before 4.4 takes an empty array for an unset variable: there is none here.
submit() {
    local dependency=$1 step=$2 memory=$3 minutes=$4 cpus=$5 list=${6:-}
    local options=(--parsable --job-name "$name" --mem "$memory" --time "$minutes" --ntasks 1 --cpus-per-task "$cpus")
    [ -z "$dependency" ] || options+=(--dependency "$dependency" --kill-on-invalid-dep=yes)
    case $step in
    extract | gather | search) ;;
    *) [ -z "$gpu" ] || options+=("$gpu") ;;
    esac
    if [ -n "$list" ]; then
        options+=(--array "1-$(wc -l <"$list")%$AT_ONCE" --output "$logs/$step-%A_%a.log")
    else
        options+=(--output "$logs/$step-%j.log")
    fi
    sbatch "${options[@]}" "$script" "$config" task "$step" "$list" | cut -d ";" -f 1
}

extracted=
for list in "$desk"/chunks.todo.*; do
    [ -f "$list" ] || continue  # every chunk is done
    extracted+=:$(submit "" extract "$EXTRACT_MEM" "$EXTRACT_TIME" "$EXTRACT_CPUS" "$list")
done
# afterany: gather looks for itself whether every chunk was finished, and stops what follows if not
gathered=$(submit "${extracted:+afterany$extracted}" gather "$GATHER_MEM" "$GATHER_TIME" 1)
trained= explained=
for list in "$desk"/folds.todo.*; do
    number=$(submit "afterok:$gathered" train "$FOLD_MEM" "$FOLD_TIME" "$FOLD_CPUS" "$list")
    trained+=:$number
    explained+=:$(submit "aftercorr:$number" explain "$FOLD_MEM" "$FOLD_TIME" "$FOLD_CPUS" "$list")
done
reported=$(submit "afterok$explained" report "$REPORT_MEM" "$REPORT_TIME" "$FOLD_CPUS")
echo "Submitted: extract${extracted:- (done)}, gather $gathered, train $trained, explain $explained, report $reported."
if [ -f "$desk/trials.tsv" ]; then
    tried= chosen=
    for list in "$desk"/trials.todo.*; do
        tried+=:$(submit "afterok:$gathered" try "$FOLD_MEM" "$FOLD_TIME" "$FOLD_CPUS" "$list")
    done
    for list in "$desk"/choices.todo.*; do
        chosen+=:$(submit "afterok$tried" choose "$FOLD_MEM" "$FOLD_TIME" "$FOLD_CPUS" "$list")
    done
    # after the folds: results of another configuration are set aside when these begin
    searched=$(submit "afterok$chosen$explained" search "$GATHER_MEM" "$GATHER_TIME" 1)
    echo "Search: try $tried, choose $chosen, table $searched."
fi
echo "squeue --me --name $name shows them; what they say is in $desk/logs. If one fails, call this again."
