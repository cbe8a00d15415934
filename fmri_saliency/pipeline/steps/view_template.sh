#!/bin/sh
# Maps in FSLeyes: orange speaks for a class, blue against it; what is near zero is not drawn.
#
#   ./view.sh                    every class, mean over time; the first one is switched on
#   ./view.sh CLASS              one class over time, at its strongest moment
#   ./view.sh --atlas            the regions
#   ./view.sh FILE.nii.gz        another map, one person's say, in the range of its header
#   ./view.sh --render FILE.png [CLASS, ...]    a picture instead of a window; needs no screen
#   ./view.sh [CLASS, ...] -- OPTIONS           with options of FSLeyes, such as --scene lightbox
#
# FSLEYES names the program where it is not `fsleyes`.

set -eu
classes=@@classes
space=@@space
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$PWD/$1" ;; esac; }
program=${FSLEYES:-fsleyes}
case $program in */*) program=$(absolute "$program") ;; esac
shown= picture=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; printf '%s\n' "Classes: $classes" "$space"; exit ;;
    --render) picture=$(absolute "${2:?"a name for the picture"}"); shift 2 ;;
    --) shift; break ;;
    *.nii | *.nii.gz) shown=$(absolute "$1"); shift ;;
    *) shown=$1; shift ;;
    esac
done
CDPATH= cd -- "$(dirname -- "$0")"
positive='--cmap @@folder/positive.cmap'
signed="$positive --negativeCmap @@folder/negative.cmap --useNegativeCmap"
time='--cmap @@folder/time.cmap'
@@template

# options of FSLeyes first, then the images, the last of them on top
case $shown in
@@cases
*)
    printf '%s\n' "view.sh: there is no class or map '$shown'. Classes: $classes" >&2
    exit 2 ;;
esac
command -v "$program" >/dev/null || {
    printf '%s\n' "view.sh: there is no program '$program': install FSLeyes, or name it in FSLEYES." >&2
    exit 127
}
if [ -n "$picture" ]; then
    set -- render --outfile "$picture" --size 1200 450 --hideCursor --showColourBar \
        --xcentre 0 0 --ycentre 0 0 --zcentre 0 0 "$@"
else  # FSL itself is not needed, and images of other extents lie in one space all the same
    set -- --skipfslcheck --hideOrientationWarnings "$@"
fi
exec "$program" "$@"
