"""The program preprocess: reading, cleaning, fitting on the training part only, splitting, writing, reporting."""

import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler, TargetEncoder

from lowcloud import contract
from lowcloud.runtime.feature_transforms import FILE, load
from lowcloud.runtime.processing.preprocess import splitting
from tests.support.programs.processing_runs import Checked, Run, run

NO_SPLIT = "--split=none"
PLAIN = ["--target=y", NO_SPLIT, "--shuffle=false"]


def table(rows: int = 60, seed: int = 0) -> str:
    random = np.random.default_rng(seed)
    lines = ["a,b,city,y"]
    for i in range(rows):
        city = ("Rome", "Oslo", "Lima")[random.integers(3)]
        lines.append(f"{random.normal():.3f},{random.lognormal():.3f},{city},{i % 2}")
    return "\n".join(lines) + "\n"


def features(left: Run, part: str = "train") -> np.ndarray:
    assert left.code == 0, left.failure
    return np.array(left.rows(part), np.float64)[:, 1:]


@pytest.mark.parametrize(
    ("way", "judge"), [("standard", StandardScaler()), ("min_max", MinMaxScaler()), ("robust", RobustScaler())]
)
def test_numbers_are_scaled_as_scikit_learn_does(tmp_path: Path, way: str, judge: object) -> None:
    text = table()
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, f"--normalise={way}", "--drop=city")
    raw = np.array([line.split(",")[:2] for line in text.splitlines()[1:]], np.float64)
    np.testing.assert_allclose(features(left), judge.fit_transform(raw), atol=1e-12)  # type: ignore[attr-defined]


def test_texts_become_a_column_for_each_level(tmp_path: Path) -> None:
    text = table()
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--drop=a,b")
    cities = np.array([[line.split(",")[2]] for line in text.splitlines()[1:]])
    np.testing.assert_array_equal(features(left), OneHotEncoder(sparse_output=False).fit_transform(cities))
    assert load(left.output / "transform" / FILE).names == ("city=Lima", "city=Oslo", "city=Rome")


def test_rare_and_unknown_levels_share_a_column(tmp_path: Path) -> None:
    words = ["a"] * 50 + ["b"] * 48 + ["c", "d"]
    text = "w,y\n" + "".join(f"{word},{i % 2}\n" for i, word in enumerate(words))
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--rare-share=0.05")
    np.testing.assert_array_equal(features(left)[-3:], [[0, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert load(left.output / "transform" / FILE).row(["never seen"]) == [0, 0, 1]


def test_target_encoding_keeps_a_rows_own_label_out_and_serves_smoothed_means(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    words, labels = random.integers(0, 8, 400), random.integers(0, 2, 400)
    text = "w,y\n" + "".join(f"w{word},{label}\n" for word, label in zip(words, labels, strict=True))
    arguments = [*PLAIN, "--encode=target", "--target-smoothing=7", "--target-folds=4"]
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *arguments)
    made, transform = features(left)[:, 0], load(left.output / "transform" / FILE)
    judge = TargetEncoder(smooth=7.0, target_type="binary").fit(words[:, None], labels)
    served = [transform.row([f"w{word}"])[0] for word in words]
    np.testing.assert_allclose(served, judge.transform(words[:, None])[:, 0])
    assert transform.row(["new"]) == [labels.mean()]
    # Each training row has the mean of the rows of the other folds, which its own label is not in.
    fold = np.random.default_rng(0).permutation(400) % 4
    for i in range(0, 400, 37):
        others = fold != fold[i]
        same = labels[others & (words == words[i])]
        prior = labels[others].mean()
        assert made[i] == pytest.approx((same.sum() + 7 * prior) / (len(same) + 7))


def test_the_encoding_of_texts_is_chosen_by_how_many_there_are(tmp_path: Path) -> None:
    text = "few,tail,many,y\n" + "".join(
        f"{'ab'[i % 2]},{f't{i}' if i % 20 == 0 else 'usual'},m{i % 90},{i % 2}\n" for i in range(900)
    )
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--rare-share=0.05")
    names = load(left.output / "transform" / FILE).names
    assert names == ("few=a", "few=b", "tail=usual", "tail=(other)", "many")  # many: means of the target
    left = run(tmp_path / "no-target", "preprocess", {"input/d.csv": text}, "--drop=y", "--rare-share=0.05")
    assert load(left.output / "transform" / FILE).names[-1] == "many#31"


def test_many_classes_are_encoded_by_the_share_of_each(tmp_path: Path) -> None:
    text = "w,y\n" + "".join(f"w{i % 2},{'abc'[i % 3]}\n" for i in range(60))
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--encode=target")
    transform = load(left.output / "transform" / FILE)
    assert transform.names == ("w~a", "w~b", "w~c")
    assert transform.row(["w0"]) == pytest.approx([1 / 3] * 3)


def test_missing_numbers_are_filled_and_marked(tmp_path: Path) -> None:
    text = "a,y\n1,0\n,1\n3,0\nNA,1\n8,0\n"
    arguments = [*PLAIN, "--normalise=none", "--missing-indicators=true"]
    for way, fill in (("median", 3), ("mean", 4), ("most_frequent", 1), ("constant", -1)):
        left = run(
            tmp_path / way, "preprocess", {"input/d.csv": text}, *arguments, f"--impute={way}", "--impute-value=-1"
        )
        np.testing.assert_array_equal(features(left), [[1, 0], [fill, 1], [3, 0], [fill, 1], [8, 0]])


def test_outliers_are_limited_to_a_range_of_the_training_part(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(9)) + "1000,0\n"
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--normalise=none", "--clip=iqr")
    assert features(left).max() == 6.75 + 1.5 * 4.5
    assert load(left.output / "transform" / FILE).row(["-1e9"]) == [2.25 - 1.5 * 4.5]


def test_statistics_do_not_depend_on_validation_and_test(tmp_path: Path) -> None:
    rows = [(float(i), "in") for i in range(80)] + [(1e6, "only in test")] * 20
    text = "when,a,w,y\n" + "".join(f"{i},{a},{w},{i % 2}\n" for i, (a, w) in enumerate(rows))
    arguments = ["--target=y", "--split=time", "--split-column=when", "--drop=when", "--validation-fraction=0"]
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *arguments, "--test-fraction=0.2")
    report = left.json("report/report.json")
    assert report["rows"] == {"read": 100, "without target": 0, "train": 80, "test": 20}
    assert report["columns"][1]["maximum"] == 79
    assert report["columns"][2]["left_out"] == "only one value in the training part"
    assert abs(features(left).mean()) < 1e-12


def test_uninformative_columns_are_left_out(tmp_path: Path) -> None:
    text = "a,same,gone,mostly,y\n" + "".join(f"{i},7,,{i if i < 2 else ''},{i % 2}\n" for i in range(20))
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN, "--max-missing=0.5")
    assert load(left.output / "transform" / FILE).names == ("a",)
    left_out = {one["name"]: one.get("left_out") for one in left.json("report/report.json")["columns"]}
    assert left_out["same"] == "only one value in the training part"
    assert left_out["gone"] == "no values in the training part"
    assert left_out["mostly"] == "90% missing"


def test_kinds_are_detected_and_can_be_given(tmp_path: Path) -> None:
    text = "n,zip,flag,day,odd,y\n" + "".join(
        f"{i}.5,0{i:04},{'Yes' if i % 2 else 'no'},2024-01-{i % 28 + 1:02},{'x' if i == 3 else i},{i % 2}\n"
        for i in range(100)
    )
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN)
    report = left.json("report/report.json")
    kinds = [column["kind"] for column in report["columns"]]
    assert kinds == ["number", "text", "boolean", "time", "number", "number"]
    assert any("1 cells of odd are not of kind number" in warning for warning in report["warnings"])
    again = run(tmp_path / "said", "preprocess", {"input/d.csv": text}, *PLAIN, "--types=zip=number,odd=text")
    kinds = [column["kind"] for column in again.json("report/report.json")["columns"]]
    assert kinds == ["number", "number", "boolean", "time", "text", "number"]


def test_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    text = "day,y\n" + "".join(f"{i % 28 + 1:02}/02/2023,{i % 2}\n" for i in range(40))
    arguments = [*PLAIN, "--date-format=%d/%m/%Y", "--date-parts=day,month", "--normalise=none"]
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *arguments)
    assert [row[1] for row in left.rows("train")[:3]] == ["1", "2", "3"]
    assert load(left.output / "transform" / FILE).names == ("day.day",)  # the month is always 2


def test_new_columns_are_derived(tmp_path: Path) -> None:
    text = "a,b,y\n1,2,0\n4,0,1\n9,3,0\n"
    arguments = [*PLAIN, "--normalise=none", "--impute=none", "--drop-constant=false", "--drop=b"]
    derive = "--derive=r = a / b; root = sqrt(a); big = r > 1"
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *arguments, derive)
    assert left.code == 2
    assert "there is no column 'b'" in left.failure.lower()
    left = run(tmp_path / "kept", "preprocess", {"input/d.csv": text}, *arguments[:-1], derive)
    assert left.rows("train") == [
        ["0", "1", "2", "0.5", "1", "0"],
        ["1", "4", "0", "", "2", ""],
        ["0", "9", "3", "3.0", "3", "1"],
    ]


def test_the_target_comes_first_as_its_class(tmp_path: Path) -> None:
    text = "y,a\nspam,1\nham,2\n,3\nspam,4\n"
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN)
    assert [row[0] for row in left.rows("train")] == ["1", "0", "1"]
    target = load(left.output / "transform" / FILE).target
    assert target is not None
    assert (target.task, target.classes) == ("binary", ("ham", "spam"))
    turned = run(tmp_path / "turned", "preprocess", {"input/d.csv": text}, *PLAIN, "--positive=ham")
    assert [row[0] for row in turned.rows("train")] == ["0", "1", "0"]


def test_without_a_target_there_are_features_alone(tmp_path: Path) -> None:
    left = run(tmp_path, "preprocess", {"input/d.csv": table()}, NO_SPLIT)
    assert left.code == 0, left.failure
    assert {len(row) for row in left.rows("train")} == {3 + 2 + 1 - 2 + 2}  # a, b, three cities, y


def test_files_of_one_table_are_read_in_order_and_matched_by_name(tmp_path: Path) -> None:
    parquet = io.BytesIO()
    pl.DataFrame({"a": ["5"], "y": ["1"]}).write_parquet(parquet)
    files = {
        "input/x/1.csv": "a,y\n1,0\n2,1\n",
        "input/x/2.csv.gz": gzip.compress(b"y,a\n0,3\n1,4\n"),
        "input/y.parquet": parquet.getvalue(),
        "input/.hidden": "nothing",
        "input/_SUCCESS": "nothing",
    }
    left = run(tmp_path, "preprocess", files, *PLAIN, "--normalise=none")
    assert left.rows("train") == [["0", "1"], ["1", "2"], ["0", "3"], ["1", "4"], ["1", "5"]]


def test_files_without_a_header_are_read_by_given_names(tmp_path: Path) -> None:
    left = run(
        tmp_path,
        "preprocess",
        {"input/d.csv": "1;0\n2;1\n"},
        *PLAIN,
        "--columns=a,y",
        "--delimiter=;",
        "--normalise=none",
    )
    assert left.rows("train") == [["0", "1"], ["1", "2"]]


def test_an_earlier_transform_is_applied_to_new_rows(tmp_path: Path) -> None:
    first = run(tmp_path / "first", "preprocess", {"input/d.csv": table()}, *PLAIN)
    transform = (first.output / "transform" / FILE).read_bytes()
    files = {"input/new.csv": "y,city,a,b\n1,Oslo,0.5,2\n0,Bern,,1\n", "input/transform/transform.json": transform}
    second = run(tmp_path / "second", "preprocess", files, *PLAIN)
    assert second.code == 0, second.failure
    rows = load(first.output / "transform" / FILE).rows([["0.5", "2", "Oslo"], ["", "1", "Bern"]])
    np.testing.assert_array_equal(features(second), rows)
    assert (second.output / "transform" / FILE).read_bytes() == transform


def test_the_report_and_its_page_contain_the_findings(tmp_path: Path) -> None:
    text = table().replace("Rome", "<b>Rome</b>")
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, "--target=y", "--derive=r = a / b")
    page = Checked((left.output / "report" / "report.html").read_text())
    assert {"Preprocessing", "a", "city", "(`a` / `b`)"} <= set(page.texts)
    assert any("<b>Rome</b>" in text for text in page.texts)
    document = left.json("report/report.json")
    assert document["target"]["parts"]["test"]["shares"] == [0.5, 0.5]
    assert document["outputs"] == list(load(left.output / "transform" / FILE).names)


FAULTS = {
    "nothing": ({}, [], "There are no files with data in"),
    "no rows": ({"input/d.csv": "a,y\n"}, [], "The input has columns but no rows"),
    "no such column": ({"input/d.csv": "a,z\n1,0\n"}, [], "Argument target: there is no column 'y'"),
    "one value": ({"input/d.csv": "a,y\n1,0\n2,0\n"}, [], "The target column 'y' has only one value ('0')"),
    "no targets": ({"input/d.csv": "a,y\n1,\n2,\n"}, [], "column 'y' is empty in all rows"),
    "missing target": ({"input/d.csv": "a,y\n1,0\n2,\n3,1\n"}, ["--missing-target=fail"], "Row 2 has no value"),
    "short line after a quoted one": (
        {"input/d.csv": 'a,b,y\n"1",1,0\n2,0\n'},
        [],
        "d.csv, line 3 has 2 cells; 3 were expected. Give every line the same number of cells.",
    ),
    "short line after one of two lines": (
        {"input/d.csv": 'a,b,y\n"1\n2",1,0\n2,0\n'},
        [],
        "d.csv, line 4 has 2 cells; 3 were expected",
    ),
    "open quotation mark": (
        {"input/d.csv": 'a,y\n"1,0\n2,0\n'},
        [],
        "d.csv, line 3: a quotation mark is not closed or not doubled",
    ),
    "semicolons": ({"input/d.csv": "a;y\n1;0\n"}, [], "has one column, with 1 ';' in it ('a;y'). Pass delimiter=; if"),
    "tabs": ({"input/d.csv": "a\ty\n1\t0\n"}, [], "with 1 'tab' in it ('a\\ty'). Pass delimiter=tab if"),
    "decimal commas": (
        {"input/d.csv": "a;y\n1,5;0\n2;1\n"},
        ["--delimiter=;"],
        "d.csv, column 'a' has numbers with commas, such as '1,5'. Pass decimal=, if that is the decimal sign",
    ),
    "comment": ({"input/d.csv": "# from x\na,y\n1,0\n"}, [], "line 2 has 2 cells; 1 were expected"),
    "comment, remedy": ({"input/d.csv": "a,y\n# from x\n1,0\n"}, [], "pass comment=# if that is a comment"),
    "no index": ({"input/d.csv": ",a,y\n1,2,0\n1,3,1\n"}, [], "the name of the first column is empty"),
    "long line": ({"input/d.csv": "a,y\n1,0\n2,0,3\n"}, [], "d.csv, line 3 has 3 cells; 2 were expected"),
    "short line": ({"input/d.csv": "a,b,y\n1,1,0\n2,0\n"}, [], "d.csv, line 3 has 2 cells; 3 were expected"),
    "quoted line": ({"input/d.csv": 'a,y\n1,0\n"2",0,"3"\n'}, [], "d.csv, line 3 has 3 cells; 2 were expected"),
    "no header": ({"input/d.csv": "1,0\n2,1\n"}, [], "d.csv, line 1 contains numbers instead of column names"),
    "twice": ({"input/d.csv": "a,a,y\n1,1,0\n"}, [], "the column name 'a' occurs twice"),
    "binary": ({"input/d.bin": b"\x00\x01\x02"}, [], "d.bin is neither CSV nor Parquet"),
    "other columns": ({"input/1.csv": "a,y\n1,0\n", "input/2.csv": "b,y\n1,0\n"}, [], "2.csv lacks the column 'a'"),
    "latin": ({"input/d.csv": b"a,y\n\xe9,0\n1,1\n"}, [], "d.csv is not valid UTF-8"),
    "broken parquet": ({"input/d.parquet": b"PAR1 and no more"}, [], "d.parquet is not a valid Parquet file"),
    "all constant": ({"input/d.csv": "a,y\n1,0\n1,1\n"}, [], "No column can be used as a feature (a: only one value"),
    "three classes": ({"input/d.csv": "a,y\n1,a\n2,b\n3,c\n"}, ["--task=binary"], "has 3 values, but task=binary"),
    "texts": ({"input/d.csv": "a,y\n1,a\n2,b\n"}, ["--task=regression"], "contains texts, but task=regression"),
    "positive": ({"input/d.csv": "a,y\n1,a\n2,b\n"}, ["--positive=c"], "has no value 'c'; it has a and b"),
    "derive": ({"input/d.csv": table()}, ["--derive=x = city + 1"], "derive: x: Column 'city' has text values"),
    "derive taken": ({"input/d.csv": table()}, ["--derive=a = b"], "'a' is already a column of the data"),
    "transform": ({"input/d.csv": table(), "input/transform/transform.json": "{}"}, [], "given as an input is invalid"),
    "group": ({"input/d.csv": "g,a,y\n1,1,0\n1,2,1\n"}, ["--split=group", "--split-column=g"], "more than one value"),
    "fill": ({"input/d.csv": table()}, ["--impute-columns=city=mean"], "'city' contains texts; use one of level"),
    "arguments": ({"input/d.csv": table()}, ["--seed=-1"], "Argument seed must be an integer from 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_ends_the_job_with_a_message(tmp_path: Path, fault: str) -> None:
    files, arguments, sentence = FAULTS[fault]
    left = run(tmp_path, "preprocess", files, *["--target=y", NO_SPLIT][: None if not arguments else 1], *arguments)
    assert left.code == contract.EXIT_CLIENT_ERROR
    assert left.failure.startswith("ClientError: ")
    assert sentence in left.failure, left.failure
    assert "\n" not in left.failure


class TestSplitting:
    """Every row goes to one part."""

    def parts(self, tmp_path: Path, rows: list[str], *arguments: str) -> dict[str, list[int]]:
        text = "i,g,y\n" + "".join(f"{i},{row}\n" for i, row in enumerate(rows))
        quiet = ["--normalise=none", "--drop-constant=false", "--types=g=number,i=number"]
        left = run(tmp_path, "preprocess", {"input/d.csv": text}, "--target=y", *quiet, *arguments)
        assert left.code == 0, left.failure
        found = {path.name for path in left.output.iterdir()} & set(splitting.PARTS)
        return {name: [int(float(row[1])) for row in left.rows(name)] for name in found}

    def test_classes_are_split_evenly(self, tmp_path: Path) -> None:
        rows = [f"0,{'rare' if i % 10 == 0 else 'common'}" for i in range(200)]
        parts = self.parts(tmp_path, rows)
        assert {name: len(part) for name, part in parts.items()} == {"train": 160, "validation": 20, "test": 20}
        assert sorted(parts["train"] + parts["validation"] + parts["test"]) == list(range(200))
        assert {name: sum(i % 10 == 0 for i in part) for name, part in parts.items()} == {
            "train": 16,
            "validation": 2,
            "test": 2,
        }

    def test_a_seed_gives_the_same_parts_again_and_another_others(self, tmp_path: Path) -> None:
        rows = [f"0,{i % 2}" for i in range(50)]
        first, second = (self.parts(tmp_path / str(i), rows, "--split=random", "--seed=3") for i in range(2))
        assert first == second != self.parts(tmp_path / "other", rows, "--split=random", "--seed=4")

    def test_rows_of_a_group_stay_together(self, tmp_path: Path) -> None:
        rows = [f"{i % 17},{i % 2}" for i in range(170)]
        parts = self.parts(tmp_path, rows, "--split=group", "--split-column=g", "--test-fraction=0.3")
        groups = {name: {i % 17 for i in part} for name, part in parts.items()}
        assert sum(map(len, groups.values())) == 17
        assert 0.2 < len(parts["test"]) / 170 < 0.4

    def test_the_latest_rows_are_for_test(self, tmp_path: Path) -> None:
        rows = [f"{(i * 7) % 100},{i % 2}" for i in range(100)]
        parts = self.parts(tmp_path, rows, "--split=time", "--split-column=g")
        order = [(i * 7) % 100 for i in parts["train"] + parts["validation"] + parts["test"]]
        assert order == list(range(100))

    def test_small_parts_have_at_least_one_row(self, tmp_path: Path) -> None:
        parts = self.parts(tmp_path, [f"0,{i % 2}" for i in range(4)])
        assert {name: len(part) for name, part in parts.items()} == {"train": 2, "validation": 1, "test": 1}


def test_cells_of_another_type_that_become_missing_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(99)) + "x,1\n"
    assert run(tmp_path, "preprocess", {"input/d.csv": text}, "--target=y").code == 0
    assert "Column 'a': 1 cells are not of type number and became missing." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["10%", "20%"], "Column 'x': '10%' is not a number, but at least half of the cells look like one"),
        ([".", "."], "pass types=x=text"),
        (["7", "8", "A3"], "Column 'x': 'A3' is not a number"),
        (["0x1F", "5"], "'0x1F' is not a number"),
        (
            ["31/12/2024", "1/1/2025"],
            "'31/12/2024' is not a time in the format of date_format (ISO 8601), but at least",
        ),
        (["2024-01-01", "unknown"], "'unknown' is not a time in the format"),
        (["18:30", "9:05"], "'18:30' is not a time in the format"),
        (["2024-01-01", "2024-01-02T00:00Z"], "Column 'x' has times with a UTC offset (2024-01-02T00:00Z) and without"),
    ],
)
def test_columns_in_doubt_are_refused_by_name(tmp_path: Path, cells: list[str], sentence: str) -> None:
    text = "x,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells))
    assert sentence in run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN).failure


def test_codes_and_other_texts_are_categories_which_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "code,dose,half,y\n007,1e-3x,00.5,0\n7,1e-4x,-01,1\n"
    left = run(tmp_path, "preprocess", {"input/d.csv": text}, *PLAIN)
    names = load(left.output / "transform" / FILE).names
    assert names == ("code=007", "code=7", "dose=1e-3x", "dose=1e-4x", "half")
    assert "Columns of texts: 'code' (2 different), 'dose' (2 different)." in capsys.readouterr().out


def test_labels_that_floating_point_numbers_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    text = f"x,y\n1,{2**63}\n2,{2**63 + 1}\n3,5\n"
    left = run(tmp_path / "a", "preprocess", {"input/d.csv": text}, *PLAIN)
    assert "'y' has labels of 9007199254740992 and more" in left.failure
    left = run(tmp_path / "b", "preprocess", {"input/d.csv": text}, *PLAIN, "--types=y=text")
    assert [row[0] for row in left.rows("train")] == ["1", "2", "0"]


@pytest.mark.parametrize("text", ['{"x":1,"y":0}\n', '[{"x":1,\n"y":0}]', "[[1,0]]", '\ufeff [ {"x": 1}]'])
def test_json_is_refused_by_name(tmp_path: Path, text: str) -> None:
    for name, content in (("d.csv", text.encode()), ("d.gz", gzip.compress(text.encode()))):
        left = run(tmp_path / name, "preprocess", {f"input/{name}": content}, *PLAIN)
        assert f"{name} is JSON. Convert it to CSV or Parquet" in left.failure
