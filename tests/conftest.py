"""Fixtures: databases, the context of a new home, a server for the whole run, and engines."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from tests.support.databases.postgres import PostgresServer, start_server
from tests.support.engines import Engines, MakeEngine
from tests.support.servers.endpoint import ENVIRONMENT
from tests.support.servers.gateways import make_context
from tests.support.servers.server import Server

# The machines that run these tests are busy: a slow example is not an error.
hypothesis.settings.register_profile("lowcloud", deadline=None)
hypothesis.settings.load_profile("lowcloud")

TESTS = Path(__file__).parent
PACKAGES_ON_EACH_DATABASE = {"store", "core", "contracts"}
# The packages whose modules take longest: two processes that share the tests then end at about the same time.
LONGEST_FIRST = ("journeys", "crash", "contracts", "engine", "sdk", "cli", "server", "core", "store", "runtime")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="the database of servers and contexts"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of packages that work on the database directly on both databases, others on the chosen one."""
    if "database" in metafunc.fixturenames:
        is_on_each = _package(metafunc.definition.path) in PACKAGES_ON_EACH_DATABASE
        kinds = ["sqlite", "postgresql"] if is_on_each else [metafunc.config.getoption("--database")]
        metafunc.parametrize("database", kinds, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {package: rank for rank, package in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(_package(item.path), len(ranks)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for tests that leave it as it was."""
    server = start_server()
    yield server
    server.remove()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database, or None for a file in the home."""
    return request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else None


@pytest.fixture
def context(tmp_path: Path, database: str | None) -> Iterator[Context]:
    context = make_context(tmp_path / "home", database)
    yield context
    context.database.close()


@pytest.fixture
def gateway(context: Context) -> Iterator[Gateway]:
    gateway = Gateway(context)
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with jobs and endpoints, started by the command line, that all tests of a process share."""
    yield from _running(tmp_path_factory.mktemp("server") / "home", request)


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A new server for a module whose tests look at all that there is."""
    yield from _running(tmp_path_factory.mktemp("empty") / "home", request)


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeEngine]:
    """Makes local engines (see Engines.make) whose works end with the test."""
    engines = Engines(tmp_path)
    yield engines.make
    engines.close()


def _running(home: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(home)
    is_sqlite = request.config.getoption("--database") == "sqlite"
    options = [] if is_sqlite else ["--database", request.getfixturevalue("postgres").new_database()]
    server.up(*options, **ENVIRONMENT)
    yield server
    server.down()


def _package(path: Path) -> str:
    """The package of tests that a file belongs to."""
    return path.relative_to(TESTS).parts[0]
