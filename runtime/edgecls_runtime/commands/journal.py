"""Ask a journal: what was decided, how often, and whether it is still what was written.

    edgecls journal list verdicts.db --outcome fail --since 2026-11-28 --last 20
    edgecls journal show verdicts.db ID        one verdict: its scores, places, and who was told
    edgecls journal counts verdicts.db         how many parts count as what; the sum is the triggers
    edgecls journal sessions verdicts.db       what judged, and from when to when
    edgecls journal verify verdicts.db         every hash again, and the balance; or exit code 1
    edgecls journal export verdicts.db --to FILE.csv|.json|.jsonl|.parquet

list, counts and export take --since, --until, --outcome, --part, --label and --text: a verdict must
fit all that are given. Nothing is written to the journal; a station may go on writing it meanwhile.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edgecls.errors import ConfigError
from edgecls_runtime.commands import add_json, count, print_json
from edgecls_runtime.journal import Reader, open_reader
from edgecls_runtime.journal.chain import Value
from edgecls_runtime.journal.checking import check
from edgecls_runtime.journal.exporting import WRITERS, export
from edgecls_runtime.journal.reading import COUNTED, Query
from edgecls_runtime.journal.rows import row_number

OUTCOMES = (*COUNTED, "incident")
LAST = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("action", choices=ACTIONS, help="what to ask")
    parser.add_argument(
        "journal", metavar="JOURNAL", type=Path, help="the path in [journal] of the station file"
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="of a verdict, for show")
    parser.add_argument(
        "--since", metavar="TIME", default="", help="then or later; UTC, such as 2026-11-28T06:00"
    )
    parser.add_argument("--until", metavar="TIME", default="", help="before then; UTC")
    parser.add_argument(
        "--outcome",
        action="append",
        choices=OUTCOMES,
        default=[],
        help="what a part counts as; may be given more than once",
    )
    parser.add_argument("--part", default="", help="of the part with exactly this id")
    parser.add_argument("--label", default="", help="whose answer is this label")
    parser.add_argument(
        "--text", default="", help="with this somewhere in the reason or the part's id"
    )
    parser.add_argument(
        "--last", metavar="N", type=count, default=LAST, help=f"of list (default: {LAST})"
    )
    parser.add_argument("--head", default="", help="of verify: a hash that was noted earlier")
    parser.add_argument("--to", metavar="FILE", type=Path, help=f"of export: {', '.join(WRITERS)}")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer one question; return the exit code."""
    with open_reader(arguments.journal) as reader:
        return ACTIONS[arguments.action](reader, arguments)


def _query(arguments: argparse.Namespace) -> Query:
    return Query(
        arguments.since,
        arguments.until,
        tuple(arguments.outcome),
        arguments.part,
        arguments.text,
        arguments.label,
    )


def _list(reader: Reader, arguments: argparse.Namespace) -> int:
    newest = reader.found(_query(arguments), arguments.last, newest_first=True)
    found = list(newest)[::-1]
    if arguments.json:
        print_json([verdict.table() for verdict in found])
        return 0
    for verdict in found:
        word = verdict.counts_as.upper()
        sys.stdout.write(
            f"{verdict.recorded_at}  {word:8}  {verdict.part}  {verdict.reason}  {verdict.id}\n"
        )
    return 0


def _show(reader: Reader, arguments: argparse.Namespace) -> int:
    if not arguments.id:
        raise ConfigError("show: no verdict named; expected its id, as edgecls journal list says")
    verdict = reader.verdict(arguments.id)
    if verdict is None:
        raise ConfigError(f"{arguments.id}: not in {reader.path}; its verdicts are {reader.id}-N")
    scores = (
        dict(verdict.prediction.top(len(verdict.prediction.labels))) if verdict.prediction else {}
    )
    table = {**verdict.table(), "scores": {label: round(s, 6) for label, s in scores.items()}}
    told = [
        {key: line[key] for key in ("output", "state", "told_at", "after_ms", "reason")}
        for line in reader.tellings(row_number(verdict.id))
    ]
    if arguments.json:
        print_json({**table, "told": told})
        return 0
    for key, value in table.items():
        sys.stdout.write(f"{key:13} {value}\n")
    for line in told:
        after = "" if line["after_ms"] is None else f" {line['after_ms']} ms after the decision"
        text = f"{line['output']}: {line['state']}{after} {line['reason']}".rstrip()
        sys.stdout.write(f"{'told':13} {text}\n")
    return 0


def _counts(reader: Reader, arguments: argparse.Namespace) -> int:
    query = _query(arguments)
    counts = reader.counts(None if query == Query() else query)
    if arguments.json:
        print_json(counts)
        return 0
    names = (*COUNTED, "waiting")
    sums = " + ".join(f"{counts[name]} {name}" for name in names)
    sys.stdout.write(f"{counts['triggers']} parts = {sums}; {counts['incident']} incidents\n")
    return 0


def _sessions(reader: Reader, arguments: argparse.Namespace) -> int:
    sessions = reader.table("sessions")
    notes = reader.table("notes")
    if arguments.json:
        print_json({"sessions": sessions, "notes": notes})
        return 0
    for one in sessions:
        ended = one["ended_at"] or "(no end)"
        sys.stdout.write(
            f"{one['id']}  {one['started_at']} .. {ended}  {one['bundle']} "
            f"{str(one['digest'])[:12]}  {one['variant']} on {one['provider']}"
            f"{_recipe(one)}\n"
        )
        for note in notes:
            if note["session"] == one["id"]:
                sys.stdout.write(f"   {note['noted_at']}  {note['text']}\n")
    return 0


def _recipe(session: dict[str, Value]) -> str:
    return f"  recipe {session['recipe']}" if session["recipe"] else ""


def _verify(reader: Reader, arguments: argparse.Namespace) -> int:
    found = check(reader, arguments.head)
    if arguments.json:
        print_json(
            {
                "valid": not found.faults,
                "entries": found.entries,
                "unchained": found.unchained,
                "faults": found.faults,
                "head": found.head,
                "head_row": found.head_row,
            }
        )
    else:
        for fault in found.faults:
            sys.stdout.write(f"{fault}\n")
        unchained = f", {found.unchained} older ones without a hash" if found.unchained else ""
        word = "does not hold" if found.faults else "holds"
        sys.stdout.write(f"{found.entries} entries{unchained}: the chain {word}\n")
        sys.stdout.write(f"head {found.head} (row {found.head_row})\n")
    return 1 if found.faults else 0


def _export(reader: Reader, arguments: argparse.Namespace) -> int:
    if arguments.to is None:
        raise ConfigError(f"--to: required; expected a file that ends in {', '.join(WRITERS)}")
    written = export(reader, _query(arguments), arguments.to)
    if arguments.json:
        print_json({"verdicts": written, "file": str(arguments.to)})
    else:
        sys.stdout.write(f"{written} verdicts written to {arguments.to}\n")
    return 0


ACTIONS: dict[str, Callable[[Reader, argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "counts": _counts,
    "sessions": _sessions,
    "verify": _verify,
    "export": _export,
}
