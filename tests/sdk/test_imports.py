"""What a user's code takes with it, and what importing Lowcloud costs."""

import pickle
import subprocess
import sys
import threading

import pytest

import lowcloud
from lowcloud.sdk import InvalidInputError, imports

HEAVY = {"botocore", "numpy", "polars", "pandas", "sklearn", "rich", "typer", "sqlalchemy", "lowcloud.sdk"}


def test_importing_lowcloud_loads_nothing_heavy():
    program = "import sys, lowcloud; assert lowcloud.__version__; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & HEAVY


def test_every_name_that_lowcloud_offers_is_there_and_no_other():
    for name in lowcloud.__all__:
        assert getattr(lowcloud, name)
    assert set(lowcloud.__all__) <= set(dir(lowcloud))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = lowcloud.trian


def test_a_script_takes_the_modules_and_packages_beside_it_that_it_needs(tmp_path):
    (tmp_path / "train.py").write_text("import os\nfrom first import x\nif x:\n    import package.inner\n")
    (tmp_path / "first.py").write_text("import second\nimport train\n")
    (tmp_path / "second.py").write_text("import json\n")
    (tmp_path / "unrelated.py").write_text("")
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "table.csv").write_text("1")
    (tmp_path / "package" / "__pycache__" / "x.pyc").write_text("")
    found = imports.of_script(tmp_path / "train.py")
    assert sorted(found) == ["first.py", "package/__init__.py", "package/table.csv", "second.py", "train.py"]


def test_a_script_with_a_typing_error_is_told_its_line(tmp_path):
    (tmp_path / "train.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(InvalidInputError, match=r"train.py is no Python that can run: line 2"):
        imports.of_script(tmp_path / "train.py")


def test_a_function_takes_modules_along_that_are_not_installed(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import other\ndef fit(data):\n    return other.twice(data)\n")
    (tmp_path / "other.py").write_text("def twice(data):\n    return 2 * data\n")
    monkeypatch.syspath_prepend(tmp_path)
    import mine  # type: ignore[import-not-found]  # made above

    (tmp_path / "function.pkl").write_bytes(imports.pickled(mine.fit))
    reading = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))(21))"
    done = subprocess.run(
        [sys.executable, "-c", reading, tmp_path / "function.pkl"], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"
    assert pickle.loads(pickle.dumps(mine.fit)) is mine.fit, "afterwards everything is pickled as before"


def test_a_function_that_holds_a_lock_is_refused_with_a_remedy():
    lock = threading.Lock()
    with pytest.raises(InvalidInputError, match="must not hold open files, locks or connections"):
        imports.pickled(lambda data: lock)


def test_a_module_defines_what_stands_at_its_top():
    source = "def outer():\n    def model_fn(folder): ...\ndef predict_fn(a, b): ...\n"
    assert imports.defines(source, {"predict_fn"})
    assert not imports.defines(source, {"model_fn"})
    assert not imports.defines("def broken(:", {"broken"})
