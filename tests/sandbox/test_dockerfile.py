"""FROM lines are rewritten where an engine would read a FROM line, and nowhere else."""

from __future__ import annotations

import pytest

from sandbox.dockerfile import rewrite_from

PINNED = "debian:bookworm-slim@sha256:" + "a" * 64


def rewritten(text: str, **arguments: str) -> str:
    known = {"debian:bookworm-slim": "local:1", PINNED: "local:1"}
    return rewrite_from(text, known.get, arguments, platform="linux/amd64")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM debian:bookworm-slim\n", "FROM local:1\n"),
        ("from debian:bookworm-slim", "from local:1\n"),
        (f"FROM {PINNED} AS base\n", "FROM local:1 AS base\n"),
        ("FROM debian:bookworm-slim\r\nRUN true\r\n", "FROM local:1\r\nRUN true\r\n"),
        ("FROM --platform=linux/amd64 debian:bookworm-slim\n",
         "FROM --platform=linux/amd64 local:1\n"),
        ("ARG BASE=debian:bookworm-slim\nFROM ${BASE}\n",
         "ARG BASE=debian:bookworm-slim\nFROM local:1\n"),
        ("# syntax=x\n\nFROM debian:bookworm-slim\n", "# syntax=x\n\nFROM local:1\n"),
    ],
)  # fmt: skip
def test_a_stage_on_a_known_image_gets_the_local_one(before: str, after: str) -> None:
    assert rewritten(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\n",
        "FROM alpine:3\n",
        "FROM $UNKNOWN\n",
        "FROM --platform=linux/arm64 debian:bookworm-slim\n",
        "FROM alpine\nRUN echo a \\\n  # a comment\n\n FROM debian:bookworm-slim\n",
        "FROM alpine\nRUN <<END\nFROM debian:bookworm-slim\nEND\n",
        "# escape=`\nFROM alpine\nRUN echo `\nFROM debian:bookworm-slim\n",
        "FROM alpine\n# FROM debian:bookworm-slim\n",
        "",
        "FROM\n",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert rewritten(text, NAME="value") == text


def test_a_shift_is_no_here_document() -> None:
    text = "FROM alpine\nRUN echo $((1 <<SHIFT))\nFROM debian:bookworm-slim\n"
    assert rewritten(text).endswith("FROM local:1\n")


def test_arguments_are_declared_in_every_stage_that_rests_on_a_replaced_image() -> None:
    text = (
        "FROM debian:bookworm-slim AS one\nRUN a\n"
        "FROM one AS two\nRUN b\n"
        "FROM alpine AS three\nRUN c\n"
        "FROM three\nRUN d\n"
    )
    assert rewritten(text, CERT="/x.crt") == (
        "FROM local:1 AS one\nARG CERT=/x.crt\nRUN a\n"
        "FROM one AS two\nARG CERT=/x.crt\nRUN b\n"
        "FROM alpine AS three\nRUN c\n"
        "FROM three\nRUN d\n"
    )


def test_a_stage_named_like_an_image_is_the_stage() -> None:
    text = "FROM alpine AS debian:bookworm-slim\nFROM debian:bookworm-slim\n"
    assert rewritten(text) == text


def test_an_argument_value_cannot_add_an_instruction() -> None:
    text = rewritten("FROM debian:bookworm-slim\n", PROXY="http://p\nRUN evil", GOOD="1")
    assert text == "FROM local:1\nARG GOOD=1\n"
