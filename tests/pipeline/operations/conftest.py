"""A root with runs that share what they have in common, as the pipeline leaves them, in milliseconds."""

from __future__ import annotations

import datetime
import os

import pytest

from pipeline.store import Store, fingerprint


class Root(Store):
    """A store whose runs are made up."""

    def make(self, day: int, run: str, *, vectors: str, table: str) -> str:
        """Publish a run of a table, of vectors that other runs may have too; later calls are published later."""
        date = datetime.date(2026, 1, day)
        run = fingerprint(run)
        outputs = {
            "vectors": f"factors/{fingerprint(vectors)}/item.npy",
            "split": f"split/{fingerprint(vectors)}",
            "index": f"indexes/{fingerprint(vectors)}/item.cosine.ann",
            "table": f"tables/similar/{fingerprint(table)}",
            "checks": f"checks/{fingerprint(table)}.json",
        }
        self.put(outputs["vectors"], 1000)
        self.put(f"{outputs['split']}/train/data.npy", 100)
        self.put(outputs["index"], 3000)
        self.put(f"{outputs['table']}/part-00000.parquet", 500)
        self.put(outputs["checks"], '{"gates": [{"name": "rows", "value": 1.0}]}')
        content = {
            "name": "a/name",
            "item_entity": "item",
            "vectors": {"item": outputs["vectors"]},
            "indexes": {"item.cosine": outputs["index"]},
            "tables": {"similar": outputs["table"]},
            "checks": outputs["checks"],
            "outputs": sorted({*outputs.values(), outputs["vectors"].rpartition("/")[0]} - {outputs["vectors"]}),
        }
        self.publish(date, run, content)
        moment = datetime.datetime(2026, 2, 1, 0, len(self.runs()), tzinfo=datetime.UTC).timestamp()
        os.utime(self.marker(date, run), (moment, moment))
        return run

    def put(self, path: str, content: int | str) -> None:
        """Write a file, with that content or of that many bytes; its folder is as old as a run before all others."""
        file = self.path(*path.split("/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x" * content if isinstance(content, int) else content)
        for each in (file, *file.relative_to(self.root).parents):
            os.utime(self.root / each, (0, 0))

    def paths(self) -> set[str]:
        """The outputs of steps that are there."""
        found = [*self.root.glob("*/*"), *self.root.glob("tables/*/*")]
        return {
            path.relative_to(self.root).as_posix()
            for path in found
            if path.parent.name != "runs" and path.name != "similar"
        }


@pytest.fixture
def root(tmp_path) -> Root:
    """An empty root."""
    return Root(tmp_path / "runs")
