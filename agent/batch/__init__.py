"""Drains the queue: workers that qualify, build and publish, and live with what happens to them.

    queue ──claim──▶ worker ──▶ job (qualify ▶ build ▶ publish) ──▶ accepted, or why not
                       │ heartbeat                                        │
                       └────────────── database ◀──────────────────────────┘

`job` is the work on one session, `worker` claims, beats and attributes what goes wrong, `local`
keeps workers as processes on this machine. Everything that several workers must agree on stands in
the queue's database.
"""
