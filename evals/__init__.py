"""The meta-benchmark: items, sealed truths, scoring, reports."""
