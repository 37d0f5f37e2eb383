"""What ``cfpipe`` says without arguments: an example of each command."""

from __future__ import annotations

from typing import Final

#: For each group of commands, examples that can be typed as they are, and what comes of them.
EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "Begin": (
        ("cfpipe init plays.csv", "look at a data file and write config.toml"),
        ("cfpipe plan config.toml", "what a run would do, and the memory it would take"),
        ("cfpipe run config.toml --date 2026-01-31", "make the tables of a day and publish them"),
    ),
    "Look things up": (
        ('cfpipe similar config.toml artist "Radiohead"', "what is nearest"),
        ("cfpipe recommend config.toml 17 -k 20", "what suits a user"),
        ('cfpipe explain config.toml 17 "Karma Police"', "what of the user's history says so"),
        ("cfpipe serve config.toml --port 8000", "all of this as a page, and as an API"),
    ),
    "Make it better": (
        ("cfpipe tune config.toml --trials 50", "find settings on a part of the training data"),
        ("cfpipe compare runs/2026-01 runs/2026-02", "two runs: quality, and tables"),
    ),
    "Operate": (
        ("cfpipe export config.toml similar_artists --to csv", "a table for loaders that do not read Parquet"),
        ("cfpipe status config.toml", "runs, which is published, sizes, ages"),
        ("cfpipe rollback config.toml", "publish the run before again"),
        ("cfpipe clean config.toml --keep 3", "delete older runs, after a question"),
    ),
    "Read": (("cfpipe docs getting-started", "the documentation; without a page, a list"),),
}


def overview() -> str:
    """The text."""
    width = max(len(example) for group in EXAMPLES.values() for example, _ in group)
    lines = ["cfpipe: interactions in, recommendation tables out. An example of each command:"]
    for group, examples in EXAMPLES.items():
        lines += ["", group, *(f"  {example:{width}}  {what}" for example, what in examples)]
    lines += [
        "",
        "cfpipe COMMAND --help describes one; --json is for scripts; cfpipe --debug COMMAND shows tracebacks.",
        "cfpipe --install-completion makes your shell complete commands, tables and entity types.",
    ]
    return "\n".join(lines)
