"""Look-ups served over HTTP: requests a second, latency, what a browser waits for, and the server's own memory.

    python tests/benchmarks/serve_lookups.py [--items 1000000] [--recall 1.0 0.99] [--seconds 10] [--folder FOLDER]

Makes a run of synthetic vectors with names through the pipeline's own steps (``--folder`` keeps it for the next time),
starts ``cfpipe serve``, and drives it with 16 clients of ``wrk``. Where there is Chromium and Playwright, it opens the
page, types a name, and measures until the first result shows. Private memory is what the server holds beside the files
it maps, which all processes share.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

DIM, GENRES, TASTES = 64, 60, 3_000
CLIENTS, THREADS = 16, 2
SCRIPT = Path(__file__).with_suffix(".lua")
SYLLABLES = [
    *("ra", "di", "on", "ve", "har", "lu", "mo", "ki", "ster", "bel"),
    *("ca", "nor", "tis", "qui", "pe", "lan", "dor"),
]

CONFIG = """
[run]
name = "a million names"
root = "{folder}/runs"
date = 2026-01-31

[entities.item]
vectors = {{ path = "{folder}/items.npy" }}
names = {{ path = "{folder}/names.parquet", id = "id", name = "name" }}
"""

#: From the first letter typed to the first name shown, and from picking it to the first similar item, in milliseconds.
TIMED_IN_PAGE = """
async ([input, typed]) => {
  const shows = (selector, gone) => new Promise((resolve) => {
    const look = () => (document.querySelector(selector) && document.querySelector(selector) !== gone
      ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look));
    look();
  });
  const box = document.querySelector(input);
  box.focus();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const times = [];
  for (const text of typed) {
    const before = document.querySelector("#search-results li");
    const began = performance.now();
    box.value = text;
    box.dispatchEvent(new Event("input"));
    times.push(await shows("#search-results li", before) - began);
  }
  const began = performance.now();
  document.querySelector("#search-results li").click();
  return { typed: times, picked: await shows(".ranked li") - began };
}
"""


def make_run(folder: Path, items: int) -> Path:
    """Write vectors and names, and run the pipeline on them; what is there already stays."""
    config = folder / "config.toml"
    if not config.exists():
        random = np.random.default_rng(0)
        np.save(folder / "items.npy", synthetic_vectors(random, items))
        names = pa.table({"id": np.arange(items), "name": synthetic_names(random, items)})
        pq.write_table(names, folder / "names.parquet")
        config.write_text(CONFIG.format(folder=folder))
    began = time.perf_counter()
    subprocess.run([command("cfpipe"), "run", str(config)], check=True, stdout=subprocess.DEVNULL)
    print(f"run of {items:,} items ready in {time.perf_counter() - began:.0f} s")
    return config


def synthetic_vectors(random: np.random.Generator, items: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Items near one of a few thousand tastes near one of a few dozen genres, of uneven lengths."""

    def noise(count: int, scale: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        return random.standard_normal((count, DIM), dtype=np.float32) * np.float32(scale / DIM**0.5)

    tastes = noise(GENRES, 1.0)[random.integers(GENRES, size=TASTES)] + noise(TASTES, 0.8)
    vectors = tastes[random.integers(TASTES, size=items)] + noise(items, 0.7)
    return vectors * random.lognormal(0.0, 0.5, items).astype(np.float32)[:, None]


def synthetic_names(random: np.random.Generator, items: int) -> list[str]:
    """Names of one to three words of a vocabulary in which some are far more frequent than others."""
    words = np.array(["".join(random.choice(SYLLABLES, random.integers(2, 5))).title() for _ in range(200_000)])
    drawn = words[(random.random((items, 3)) ** 3 * len(words)).astype(np.int64)]
    counts = random.integers(1, 4, size=items)
    return [" ".join(row[:count]) for row, count in zip(drawn.tolist(), counts.tolist(), strict=True)]


@contextlib.contextmanager
def server(config: Path, recall: float) -> Iterator[tuple[str, int]]:
    """Start the server; its address and process id."""
    arguments = [command("cfpipe"), "serve", str(config), "--port", "0", "--recall", str(recall)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http://")).rstrip("/"), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        print(f"  server ended with {process.wait(10)}")


def drive(url: str, items: int, what: str, words: list[str], seconds: int) -> dict[str, Any]:
    """Load the server."""
    load = ["wrk", f"-c{CLIENTS}", f"-t{THREADS}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    result = subprocess.run([*load, "--", str(items), what, *words], check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return measured


def private_megabytes(pid: int) -> float:
    """Memory of a process that is not of a file it maps, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken: on a machine that others use too, what the wall clock does not tell."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_page(url: str, words: list[str]) -> None:
    """Open the page, type, and pick."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("  page: skipped, playwright is not installed")
        return
    chromium = shutil.which("chromium")
    if chromium is None:
        print("  page: skipped, no chromium found")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        picked, typed = [], []
        for attempt in range(6):
            page.goto(url)
            page.wait_for_selector(".grid li")
            times = page.evaluate(
                TIMED_IN_PAGE, ["#search-text", [word[:length] for word in words for length in (3, 6)]]
            )
            if attempt:  # the first one warms up
                typed += times["typed"]
                picked.append(times["picked"])
        browser.close()
    print(
        f"  page: typed to first name {np.median(typed):.0f} ms (slowest {max(typed):.0f} ms), "
        f"picked to first similar item {np.median(picked):.0f} ms (slowest {max(picked):.0f} ms)"
    )


def command(name: str) -> str:
    """An installed command of this interpreter."""
    return str(Path(sys.executable).with_name(name))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--recall", type=float, nargs="+", default=[1.0, 0.99])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the run is made, or found; a temporary folder by default")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        config = make_run(folder.resolve(), options.items)
        words = [name.split()[0].lower() for name in pq.read_table(folder / "names.parquet")["name"][:40].to_pylist()]
        for recall in options.recall:
            print(f"recall {recall}")
            with server(config, recall) as (url, pid):
                for what in ("similar", "search"):
                    drive(url, options.items, what, words, 2)
                    before = cpu_seconds(pid)
                    found = drive(url, options.items, what, words, options.seconds)
                    cpu = (cpu_seconds(pid) - before) / found["requests"]
                    print(
                        f"  {what}: {found['requests'] / found['seconds']:.0f} a second, p50 {found['p50_ms']:.1f} ms, "
                        f"p99 {found['p99_ms']:.1f} ms, {found['failed']} failed; {cpu * 1e3:.2f} ms of processor each"
                    )
                measure_page(url, words[:3])
                print(f"  private memory {private_megabytes(pid):.0f} MB")


if __name__ == "__main__":
    main()
