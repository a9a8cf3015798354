#!/bin/bash
# Resolve a Node project's dependencies as they were on a date, and install them outside the tree.
#
#   lock-node.sh TREE DATE DEPS MANAGER
#
# TREE  the project's folder           DEPS     the folder that gets the manifests and node_modules
# DATE  e.g. 2025-06-01                MANAGER  npm, bun, pnpm or yarn: whose lock file counts
#
# npm's and bun's own lock files are obeyed. For the others, and where there is none, npm resolves
# package.json as of the date. Prints the command that installs the same again, behind `install: `.
set -uo pipefail
tree=$1 date=$2 deps=$3 manager=$4
rm -rf "$deps"
mkdir -p "$deps"
cp "$tree/package.json" "$deps/"
# Scripts such as `prepare` build the project or set up git hooks; neither belongs here.
quiet="--ignore-scripts --no-audit --no-fund"

finish() {
    echo "install: $1"
    rm -rf /node_modules /opt/deps
    mkdir -p /opt && cp -a "$deps" /opt/deps && rm -rf "$deps/node_modules"
    mkdir -p /opt/deps/node_modules && ln -s /opt/deps/node_modules /node_modules
    echo "installed into /opt/deps: $(ls /opt/deps/node_modules | wc -l) entries"
    exit 0
}

cd "$deps" || exit 1
if [ "$manager" = bun ]; then
    npm install --global --no-audit --no-fund "bun@${BUN_VERSION:?}" > /tmp/bun.log 2>&1 \
        || { tail -5 /tmp/bun.log; echo "bun cannot be installed"; exit 1; }
    cp "$tree"/bun.lock* "$tree"/bunfig.toml . 2> /dev/null
    if bun install --frozen-lockfile --ignore-scripts; then
        finish "bun install --frozen-lockfile --ignore-scripts"
    fi
    echo "bun.lock does not install; resolving package.json with npm instead"
    rm -rf node_modules bun.lock*
fi
if [ "$manager" = npm ] && [ -f "$tree/package-lock.json" ]; then
    cp "$tree/package-lock.json" .
    # shellcheck disable=SC2086
    if npm ci $quiet; then
        finish "npm ci $quiet"
    fi
    echo "package-lock.json does not install; resolving package.json instead"
    rm -rf node_modules package-lock.json
fi
# shellcheck disable=SC2086
if npm install $quiet --before "$date" || npm install $quiet --before "$date" --legacy-peer-deps; then
    finish "npm ci $quiet --legacy-peer-deps"
fi
echo "the dependencies do not install"
exit 1
