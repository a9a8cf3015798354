#!/bin/bash
# Resolve a Python project's dependencies as they were on a date, and install them into a venv.
#
#   lock-python.sh TREE DATE LOCK VENV [EXTRA-REQUIREMENT...]
#
# TREE  the project's folder        LOCK  the lock file to write (pins with hashes)
# DATE  e.g. 2025-06-01             VENV  the virtual environment to make
#
# Takes what the project declares (dependencies, build system, test extras and groups, requirements
# files for tests) and pytest. If that does not resolve, it tries again with less and says so.
set -uo pipefail
[ $# -ge 4 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
tree=$1 date=$2 lock=$(realpath -m "$3") venv=$4
shift 4
wanted=$(mktemp --suffix=.in)
here=$(dirname "$(readlink -f "$0")")

resolve() { # LEVEL [EXTRA-REQUIREMENT...]
    local level=$1
    shift
    python3 "$here/python_requirements.py" "$tree" "$level" > "$wanted" || return 1
    printf '%s\n' "$@" >> "$wanted"
    (cd "$tree" && uv pip compile --quiet --python /usr/bin/python3 --exclude-newer "$date" \
        --generate-hashes --no-header --no-annotate --allow-unsafe --no-strip-extras \
        -o "$lock.new" "$wanted")
}

for level in all tests plain bare; do
    if resolve "$level" "$@"; then
        echo "resolved: $level ($(grep -c '==' "$lock.new") packages as of $date)"
        break
    fi
    echo "does not resolve: $level"
    rm -f "$lock.new"
done
[ -s "$lock.new" ] || { echo "no set of dependencies resolves"; exit 1; }
mv "$lock.new" "$lock"
rm -rf "$venv"
python3 -m venv "$venv" \
    && uv pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock" \
    && echo "installed into $venv"
installed=$?
[ $installed = 0 ] || exit 1

# The project itself, in place, as the image will have it: /app stands for whatever state is graded.
rm -rf /app && cp -a "$tree" /app
if [ -f /app/pyproject.toml ] || [ -f /app/setup.py ] || [ -f /app/setup.cfg ]; then
    if (cd /app && uv pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation \
        -C editable_mode=compat -e /app); then
        echo "project: installed in place"
    else
        echo "project: does not install"
    fi
else
    echo "project: does not install (no manifest)"
fi
