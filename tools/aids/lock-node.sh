#!/bin/bash
# Resolve a Node project's dependencies as they were on a date, and install them outside the tree.
#
#   lock-node.sh TREE DATE DEPS MANAGER
#
# TREE  the project's folder           DEPS     the folder that gets the manifests and node_modules
# DATE  e.g. 2025-06-01                MANAGER  npm, bun, pnpm or yarn: whose lock file counts
#
# The lock file of npm, bun, pnpm and yarn 1 is obeyed. Where there is none, or it does not install,
# npm resolves package.json as of the date, and without a date where the package index does not know
# when things were published. Prints how it was resolved behind `resolved: `, and the command that
# installs the same again behind `install: `.
set -uo pipefail
[ $# -eq 4 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
tree=$(realpath "$1") date=$2 deps=$(realpath -m "$3") manager=$4
rm -rf "$deps"
mkdir -p "$deps"
cp "$tree/package.json" "$deps/"
# Scripts such as `prepare` build the project or set up git hooks; neither belongs here.
quiet="--ignore-scripts --no-audit --no-fund"

finish() { # INSTALL-COMMAND HOW
    echo "resolved: $2"
    echo "install: $1"
    rm -rf /node_modules /opt/deps
    mkdir -p /opt && cp -a "$deps" /opt/deps && rm -rf "$deps/node_modules"
    mkdir -p /opt/deps/node_modules && ln -s /opt/deps/node_modules /node_modules
    echo "installed into /opt/deps: $(ls /opt/deps/node_modules | wc -l) entries"
    exit 0
}

obey() { # INSTALL-COMMAND LOCK-FILE...
    local command=$1 file
    shift
    for file; do [ -f "$tree/$file" ] && cp "$tree/$file" .; done
    if bash -c "$command"; then
        finish "$command" "the project's own lock file ($1)"
    fi
    echo "$1 does not install; resolving package.json with npm instead"
    rm -rf node_modules "$@"
}

pnpm_version() { # the newest pnpm that reads the lock file's format
    case $(sed -n "s/^lockfileVersion: *'\{0,1\}\([0-9]*\).*/\1/p" "$tree/pnpm-lock.yaml" | head -1) in
        5) echo 7.33.7 ;;
        6) echo 8.15.9 ;;
        *) echo 10.14.0 ;;
    esac
}

cd "$deps" || exit 1
if [ "$manager" = bun ]; then
    npm install --global --no-audit --no-fund "bun@${BUN_VERSION:?}" > /tmp/bun.log 2>&1 \
        || { tail -5 /tmp/bun.log; echo "bun cannot be installed"; exit 1; }
    obey "bun install --frozen-lockfile --ignore-scripts" bun.lock bun.lockb bunfig.toml
fi
if [ "$manager" = pnpm ] && [ -f "$tree/pnpm-lock.yaml" ]; then
    # Hoisted is how npm lays packages out, which every runner understands. /tmp is emptied after,
    # and pnpm is not to fetch the version of itself that package.json names.
    obey "HOME=/tmp/home npm_config_manage_package_manager_versions=false npx --yes \
pnpm@$(pnpm_version) install --frozen-lockfile --ignore-scripts \
--node-linker=hoisted --store-dir=/tmp/pnpm" pnpm-lock.yaml pnpm-workspace.yaml
fi
if [ "$manager" = yarn ] && grep -q '^# yarn lockfile v1' "$tree/yarn.lock" 2> /dev/null; then
    obey "npx --yes yarn@1.22.22 install --frozen-lockfile --ignore-scripts --ignore-engines \
--non-interactive --cache-folder /tmp/yarn" yarn.lock
fi
if [ -f "$tree/package-lock.json" ]; then
    obey "npm ci $quiet" package-lock.json
fi
for more in "" " --legacy-peer-deps"; do
    # shellcheck disable=SC2086
    if npm install $quiet --before "$date" $more; then
        finish "npm ci $quiet$more" "package.json as of $date"
    fi
done
echo "the package index has not all of that as of $date; resolving package.json without a date"
for more in "" " --legacy-peer-deps"; do
    # shellcheck disable=SC2086
    if npm install $quiet $more; then
        finish "npm ci $quiet$more" "package.json as of today, because the package index cannot \
tell what it had on $date"
    fi
done
echo "the dependencies do not install"
exit 1
