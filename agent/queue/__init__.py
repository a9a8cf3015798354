"""The opt-in queue: sessions of people who agreed, on their way to environments.

    consent ──▶ intake (add, collect, watch) ──▶ queue ──▶ claims with leases ──▶ artefacts

`database` connects and migrates, `schema` is the tables, `consent` says who agreed to what,
`intake` and `collect` bring sessions in, `leases` hands them out to workers, `artefacts` is where
finished environments go. Nothing here builds anything: that is `agent.batch`.
"""
