"""A package that tests install: `greeting`, whose build backend lies beside it, so that nothing is downloaded."""

PROJECT = '[project]\nname = "greeting"\nversion = "1.0"\n'
SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import zipfile
RECORD = "greeting-1.0.dist-info/"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("greeting.py", "WORD = 'hello'")
        wheel.writestr(RECORD + "METADATA", "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n")
        wheel.writestr(RECORD + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(RECORD + "RECORD", "")
    return name
"""  # a backend of its own: nothing has to be downloaded to build the package
