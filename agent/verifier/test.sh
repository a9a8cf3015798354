#!/bin/sh
# Grades /app. Nothing of the caller's environment reaches the judge but what is named here.
# kit.py runs the judge and writes the reward only when the judge reached a verdict.
cd / || exit 70
umask 022
exec /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG="${LANG:-C.UTF-8}" TZ="${TZ:-UTC}" KIT_HASH_SEED="${PYTHONHASHSEED:-}" \
    KIT_ORDER="${KIT_ORDER:-}" KIT_PATIENCE_S="${KIT_PATIENCE_S:-}" KIT_BRIEF="${KIT_BRIEF:-}" \
    /usr/bin/python3 -I -S -B /tests/kit.py /tests/judge.py
