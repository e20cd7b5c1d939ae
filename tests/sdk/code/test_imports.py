"""The modules that are sent with a user's code, the names of the package, and what importing it loads."""

import pickle
import subprocess
import sys
import threading

import pytest

import lowcloud
from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.code import imports

HEAVY = {"botocore", "numpy", "polars", "pandas", "sklearn", "rich", "typer", "sqlalchemy", "lowcloud.sdk"}


def test_importing_lowcloud_loads_nothing_heavy():
    program = "import sys, lowcloud; assert lowcloud.__version__; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & HEAVY


def test_the_package_has_its_public_names_and_no_others():
    for name in lowcloud.__all__:
        assert getattr(lowcloud, name)
    assert set(lowcloud.__all__) <= set(dir(lowcloud))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = lowcloud.trian


@pytest.mark.parametrize("former", ["CloudUnreachable", "EndpointFailed", "InvalidInput", "JobFailed", "Refused"])
def test_the_former_names_of_errors_work_with_a_warning(former):
    with pytest.warns(DeprecationWarning, match=f"lowcloud.{former}Error"):
        assert getattr(lowcloud, former) is getattr(lowcloud, f"{former}Error")


def test_the_modules_and_packages_that_a_script_imports_are_sent_with_it(tmp_path):
    (tmp_path / "train.py").write_text("import os\nfrom first import x\nif x:\n    import package.inner\n")
    (tmp_path / "first.py").write_text("import second\nimport train\n")
    (tmp_path / "second.py").write_text("import json\n")
    (tmp_path / "unrelated.py").write_text("")
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "table.csv").write_text("1")
    (tmp_path / "package" / "__pycache__" / "x.pyc").write_text("")
    found = imports.find_script_files(tmp_path / "train.py")
    assert sorted(found) == ["first.py", "package/__init__.py", "package/table.csv", "second.py", "train.py"]


def test_the_line_of_a_syntax_error_in_a_script_is_reported(tmp_path):
    (tmp_path / "train.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(InvalidInputError, match=r"train.py is not valid Python: line 2"):
        imports.find_script_files(tmp_path / "train.py")


def test_modules_that_are_not_installed_are_sent_with_a_function(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import other\ndef fit(data):\n    return other.twice(data)\n")
    (tmp_path / "other.py").write_text("def twice(data):\n    return 2 * data\n")
    monkeypatch.syspath_prepend(tmp_path)
    import mine  # type: ignore[import-not-found]  # made above

    (tmp_path / "function.pkl").write_bytes(imports.pickle_function(mine.fit))
    reading = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))(21))"
    done = subprocess.run(
        [sys.executable, "-c", reading, tmp_path / "function.pkl"], cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"
    assert pickle.loads(pickle.dumps(mine.fit)) is mine.fit, "pickling by reference works again afterwards"


def test_a_function_that_holds_a_lock_is_refused_with_advice():
    lock = threading.Lock()
    with pytest.raises(InvalidInputError, match="must not hold open files, locks or connections"):
        imports.pickle_function(lambda data: lock)


def test_only_top_level_functions_are_defined_by_a_module():
    source = "def outer():\n    def model_fn(folder): ...\ndef predict_fn(a, b): ...\n"
    assert imports.defines_any(source, {"predict_fn"})
    assert not imports.defines_any(source, {"model_fn"})
    assert not imports.defines_any("def broken(:", {"broken"})
