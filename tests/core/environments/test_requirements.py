"""Requirements are read from source archives, with the files that they include."""

import io
import tarfile

import pytest

from lowcloud.core.environments.requirements import Requirements, of_archive, of_texts
from lowcloud.core.errors import InvalidError


def archive(files: dict[str, str], mtime: int = 0) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as packed:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(text.encode()), mtime
            packed.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


def read(files: dict[str, str], mtime: int = 0) -> Requirements | None:
    return of_archive(iter([archive(files, mtime)]))


def test_an_archive_without_requirements_has_none() -> None:
    assert read({"train.py": "", "docs/requirements.txt": "numpy"}) is None
    assert read({"requirements.txt": "# none\n\n"}) is None
    assert read({"../requirements.txt": "numpy", "/requirements.txt": "numpy"}) is None


def test_lines_are_returned_complete_and_without_comments() -> None:
    text = "\ufeffnumpy>=1  # fast\n#no\nscikit-learn==1.5 \\\n  --hash=sha256:aa\r\ngit+https://host/x.git#egg=x\n"
    assert read({"./requirements.txt": text}) == Requirements(
        ("numpy>=1", "scikit-learn==1.5    --hash=sha256:aa", "git+https://host/x.git#egg=x")
    )


def test_a_long_line_of_blanks_is_read_at_once() -> None:
    """A search whose time grows with the square of the length would take hours, and hold up the whole server."""
    blanks = " " * 1_000_000
    assert of_texts({"requirements.txt": f"a{blanks}b\n{blanks}# none"}) == Requirements((f"a{blanks}b",))


def test_named_files_are_read_in_their_place() -> None:
    files = {
        "requirements.txt": "-r more/base.txt\n-climits.txt\nlast",
        "more/base.txt": "first\n--requirement=deeper.in\n--constraint https://host/limits.txt",
        "more/deeper.in": "second",
        "limits.txt": "numpy<2\n",
    }
    assert read(files) == Requirements(("first", "second", "last"), ("--constraint https://host/limits.txt", "numpy<2"))


@pytest.mark.parametrize("named", ["absent.txt", "../requirements.txt", "/etc/passwd", "more"])
def test_a_file_that_is_not_in_the_archive_is_named(named: str) -> None:
    with pytest.raises(InvalidError, match="which is not in the source archive"):
        read({"requirements.txt": f"-r {named}", "more/a.txt": ""})


def test_a_file_that_names_itself_is_refused() -> None:
    with pytest.raises(InvalidError, match="does a file include itself"):
        read({"requirements.txt": "-r a.txt", "a.txt": "-r requirements.txt"})


@pytest.mark.parametrize(
    "line",
    [
        "./pkg",
        "pkg/",
        ".",
        "wheels/a-1-py3-none-any.whl",
        "a-1-py3-none-any.whl",
        "a @ file:///opt/ml/code/a",
        "-e ./pkg",
        "--find-links wheels/",
        "-f ./wheels",
    ],
)
def test_a_path_in_the_archive_makes_its_content_part_of_the_requirements(line: str) -> None:
    one = read({"requirements.txt": line, "pkg/a.py": "1"})
    later = read({"requirements.txt": line, "pkg/a.py": "1"}, mtime=99)
    other = read({"requirements.txt": line, "pkg/a.py": "2"})
    assert one and other
    assert one.code
    assert one == later
    assert one.code != other.code
    assert not one.lines[0].startswith("-e")


@pytest.mark.parametrize(
    "line",
    ["numpy", "a[b]>=1; python_version < '4'", "a @ https://host/a.whl", "-e git+https://host/a", "-i https://x/y"],
)
def test_packages_of_an_index_do_not_depend_on_the_code(line: str) -> None:
    requested = read({"requirements.txt": line, "train.py": "1"})
    assert requested and requested.code == ""


def test_a_hostile_archive_is_refused_in_a_sentence() -> None:
    with pytest.raises(InvalidError, match=r"^The source archive cannot be used: it is not a readable tar.gz archive"):
        of_archive(iter([b"not an archive"]))


def test_texts_of_a_channel_are_read_alike() -> None:
    requested = of_texts({"requirements.txt": "./pkg"}, code="d1")
    assert requested == Requirements(("./pkg",), (), "d1")


def test_a_model_keeps_its_requirements_beside_its_script() -> None:
    files = {"code/requirements.txt": "-r more.txt", "code/more.txt": "six", "requirements.txt": "numpy", "weights": ""}
    assert of_archive(iter([archive(files)]), within="code/") == Requirements(("six",))
    assert of_archive(iter([archive({"weights": ""})]), within="code/") is None


def test_a_package_is_installed_if_it_has_requirements() -> None:
    assert read({"setup.py": "setup(name='trainer')", "trainer/__init__.py": ""}) is None
    requested = read({"setup.py": "setup(install_requires=['six'])", "requirements.txt": "rich"})
    assert requested and requested.lines == ("rich", ".")
    assert requested.code
    by_cfg = read({"setup.py": "setup()", "setup.cfg": "install_requires =\n six"})
    assert by_cfg and by_cfg.lines == (".",)


def test_repeated_requirements_are_read_once_and_options_as_often_as_they_are_written() -> None:
    texts = {
        "requirements.txt": "-r more.txt\n" * 1000 + "six\nsix==1.0\n--pre\nsix\n--no-binary six\n--pre\n",
        "more.txt": "-r most.txt\n" * 1000 + "attrs\n" * 1000,
        "most.txt": "-c limits.txt\n" * 1000 + "six\n" * 100_000,
        "limits.txt": "attrs<30\n" * 1000,
    }
    found = of_texts(texts)
    assert found is not None
    assert found.lines == ("six", "attrs", "six==1.0", "--pre", "--no-binary six", "--pre")
    assert found.constraints == ("attrs<30",)


def test_a_file_may_hold_requirements_and_constraints_alike() -> None:
    found = of_texts({"requirements.txt": "-c both.txt\n-r both.txt\n", "both.txt": "six==1.0\n"})
    assert found is not None
    assert (found.lines, found.constraints) == (("six==1.0",), ("six==1.0",))
