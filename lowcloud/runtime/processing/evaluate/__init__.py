"""`python -m lowcloud.runtime.processing.evaluate --label y --scores p`: predictions, or a model, against the truth.

Reads processing/input (one table, or truth/ and predictions/), and processing/model where a model is to predict.
Writes processing/output/evaluation/evaluation.json and evaluation.html.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from lowcloud.runtime.processing.evaluate import document, predicting, report, table, tasks
from lowcloud.runtime.processing.program import Arguments, run
from lowcloud.schemas.evaluate import SCHEMA


def main(words: Sequence[str]) -> int:
    """Evaluate what lies in the folder of processing; the exit code."""
    return run(words, SCHEMA, evaluate)


def evaluate(base: Path, settings: Arguments) -> None:
    """From base/input, and base/model if there, to base/output/evaluation. Raises ClientError."""
    frame = table.read(base, settings)
    print(f"Read {len(frame)} rows of {len(frame.columns)} columns.", flush=True)
    model = predicting.find(base)
    if model is not None:
        predicted = predicting.predict(model, frame, settings)
        rows = table.choose(predicted.frame, settings, predicted.label)
        known = predicted.classes
        if settings.text("task") == "auto" and predicted.task is not None:
            settings = Arguments({**settings.values, "task": predicted.task})
    else:
        rows, known = table.choose(frame, settings), None
    subject, classes = tasks.subject(rows, settings, known)
    found = document.describe(subject, classes, rows, settings)
    folder = base / "output" / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    (folder / "evaluation.html").write_text(report.draw(found, settings.text("title")), encoding="utf-8")
    for line in document.summary(found):
        print(line, flush=True)
