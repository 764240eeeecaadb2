"""A real SLURM cluster on this machine: controller, accounting, several nodes, fake GPUs.

Everything lives in one folder and listens on the loopback interface; it needs no root, no systemd,
no cgroups and no container. By hand, for instance to try a profile:

    python tests/slurm/cluster.py up /tmp/lab      # prints what to put into the environment
    python tests/slurm/cluster.py down /tmp/lab

The daemons are Debian's: apt-get install --no-install-recommends slurmd slurmctld slurm-client
munge slurmdbd mariadb-server.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

PROGRAMS = (
    "slurmctld",
    "slurmd",
    "slurmdbd",
    "sbatch",
    "munged",
    "mungekey",
    "mariadbd",
    "mariadb-install-db",
)
CLIENTS = ("srun", "sbatch", "squeue", "sacct", "sacctmgr", "scancel", "scontrol", "sinfo", "sshare", "sstat")
# Daemons of Debian lie where an ordinary user's PATH does not look.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ACCOUNT = "lab"
CONTROLLER_PORT, DATABASE_PORT, NODE_PORT = 0, 1, 10


def missing() -> list[str]:
    """Programs that a cluster needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=SYSTEM_PATH) is None]


@dataclass
class Cluster:
    """A cluster of two CPU nodes and one GPU node with two fake GPUs, of two cores each.

    Partitions: `cpu`, `gpu`, and `urgent`, whose jobs preempt those of `gpu` after a grace of ten
    seconds.

    Attributes:
        folder: configuration, state and logs; its path must be short, for sockets lie in it.
        port: the first of some twenty ports.
    """

    folder: Path
    port: int = 26800
    cpus: int = 2
    memory_mb: int = 12000
    gpus: int = 2
    cpu_nodes: tuple[str, ...] = ("cpu1", "cpu2")
    gpu_nodes: tuple[str, ...] = ("gpu1",)
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        return (*self.cpu_nodes, *self.gpu_nodes)

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find the cluster."""
        path = os.environ.get("PATH", SYSTEM_PATH)
        return {
            "SLURM_CONF": str(self.folder / "etc" / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{path}",
        }

    def start(self) -> None:
        """Start all daemons and wait until every node answers."""
        for name in ("etc", "state", "run", "log", "bin", "spool", "database"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "run").chmod(0o755)
        self._configure()
        self._start_munge()
        self._start_accounting()
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self._states() == {"idle"}, 30, "the nodes do not answer")

    def stop(self) -> None:
        """Cancel all jobs, then stop every daemon that was started here."""
        if self.alive("slurmctld"):
            self.run("scancel", "--user", getpass.getuser(), check=False)
            wait_until(lambda: not self.run("squeue", "-h"), 30, "jobs do not end", fail=False)
        for name in (
            "slurmctld",
            *(f"slurmd-{node}" for node in self.nodes),
            "slurmdbd",
            "mariadbd",
            "munged",
        ):
            self._end(name)
        for process in self.processes_of_jobs():
            _signal(process, signal.SIGKILL)

    def run(self, *command: str, check: bool = True) -> str:
        """What a client program prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, text=True, capture_output=True, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def alive(self, daemon: str) -> bool:
        return daemon in self.daemons and self.daemons[daemon].poll() is None

    def start_controller(self) -> None:
        self._launch("slurmctld", "slurmctld", "-D")
        self._wait_for_client("slurmctld", "scontrol", "ping")

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def start_database(self) -> None:
        """The accounting daemon; what it stores in runs on."""
        self._launch("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=str(self.folder / "run" / "db.sock"))
        self._wait_for_client("slurmdbd", "sacctmgr", "-n", "list", "cluster")

    def stop_database(self) -> None:
        self._end("slurmdbd")

    def start_node(self, node: str) -> None:
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        self._launch(f"slurmd-{node}", "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Let a node die as in a power cut: its daemon and everything that it runs, at once."""
        daemon = self.daemons.pop(f"slurmd-{node}")
        # Frozen first, so that none is left to report the death of another.
        dying = [daemon.pid, *self._step_daemons(node), *self.processes_of_jobs(f"SLURMD_NODENAME={node}")]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in dying:
                _signal(process, number)
        daemon.wait()

    def _step_daemons(self, node: str) -> list[int]:
        """The processes that watch a node's job steps; they write to its log."""
        log, found = str(self.folder / "log" / f"slurmd-{node}.log"), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                files = [str(link.readlink()) for link in (process / "fd").iterdir()]
                if "slurmstepd" in (process / "cmdline").read_text() and log in files:
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def _states(self) -> set[str]:
        return set(self.run("sinfo", "-h", "-N", "-o", "%T", check=False).split())

    def processes_of_jobs(self, *settings: str) -> list[int]:
        """Processes whose environment says that they belong to a job of this cluster."""
        wanted = {f"SLURM_CONF={self.environment['SLURM_CONF']}", *settings}
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = set((process / "environ").read_bytes().decode(errors="replace").split("\0"))
            except OSError:
                continue
            if wanted <= variables and any(name.startswith("SLURM_JOB_ID=") for name in variables):
                found.append(int(process.name))
        return found

    def _launch(self, name: str, *command: str, **variables: str) -> None:
        output = (self.folder / "log" / f"{name}.out").open("a")
        # A daemon that outlives a killed test run would end the jobs of the next.
        self.daemons[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env={**self.environment, "PATH": SYSTEM_PATH, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def _end(self, name: str) -> None:
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _wait_for_client(self, daemon: str, *command: str) -> None:
        def answers() -> bool:
            if not self.alive(daemon):
                raise RuntimeError(f"{daemon} ended; see {self.folder / 'log'}")
            environment = {**os.environ, **self.environment, "PATH": SYSTEM_PATH}
            return subprocess.run(command, env=environment, capture_output=True).returncode == 0

        wait_until(answers, 40, f"{daemon} does not answer; see {self.folder / 'log'}")

    def _start_munge(self) -> None:
        key = self.folder / "etc" / "munge.key"
        if not key.exists():
            subprocess.run(
                ["mungekey", "--create", f"--keyfile={key}"], check=True, env={"PATH": SYSTEM_PATH}
            )
        key.chmod(0o600)
        socket_path = self.folder / "run" / "munge.sock"
        self._launch(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket_path}",
            f"--pid-file={self.folder}/run/munged.pid", f"--log-file={self.folder}/log/munged.log",
            f"--seed-file={self.folder}/run/munge.seed",
        )  # fmt: skip
        self._wait_for_client("munged", "munge", "-S", str(socket_path), "-n")

    def _start_accounting(self) -> None:
        data, socket_path = self.folder / "database", self.folder / "run" / "db.sock"
        if not (data / "mysql").exists():
            self._make_database(data)
        self._launch(
            "mariadbd", "mariadbd", "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={data}",
            f"--socket={socket_path}", "--skip-networking", "--skip-grant-tables", "--skip-log-bin",
            f"--pid-file={self.folder}/run/mariadbd.pid", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        self._wait_for_client(
            "mariadbd", "mariadb", "--no-defaults", f"--socket={socket_path}", "-e", "select 1"
        )
        self.start_database()
        if ACCOUNT not in self.run("sacctmgr", "-n", "list", "account", "format=account%32"):
            self.run("sacctmgr", "-iQ", "add", "cluster", "lab")
            self.run("sacctmgr", "-iQ", "add", "account", ACCOUNT, "Description=lab", "Organization=lab")
            self.run("sacctmgr", "-iQ", "add", "user", getpass.getuser(), f"Account={ACCOUNT}")

    def _make_database(self, data: Path) -> None:
        command = [
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}",
            "--skip-test-db", "--auth-root-authentication-method=normal", f"--tmpdir={self.folder / 'run'}",
        ]  # fmt: skip
        said = []
        # Beside the tests of another worker it has failed once, for no reason that could be found.
        for _ in range(3):
            shutil.rmtree(data, ignore_errors=True)
            done = subprocess.run(command, text=True, capture_output=True, env={"PATH": SYSTEM_PATH})
            if done.returncode == 0:
                return
            said.append(f"{done.stdout}\n{done.stderr}"[-2000:])
        raise RuntimeError("\n".join(["mariadb-install-db fails:", *said]))

    def _configure(self) -> None:
        """Fill in the templates of the folder `etc`, and write wrappers of the client programs."""
        # SLURM takes only distinct character devices for GPUs.
        devices = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")[: self.gpus]
        gpus = [
            f"NodeName={node} Name=gpu Type=fake File={dev}" for node in self.gpu_nodes for dev in devices
        ]
        # Where this machine's name stands for the loopback address, nothing else is listened on.
        loopback = socket.gethostbyname(socket.gethostname()) == "127.0.0.1"
        values = {
            "folder": self.folder,
            "user": getpass.getuser(),
            "controller_port": self.port + CONTROLLER_PORT,
            "database_port": self.port + DATABASE_PORT,
            "listen": "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny" if loopback else "",
            "nodes": "\n".join(map(self._node_line, self.nodes)),
            "cpu_nodes": ",".join(self.cpu_nodes),
            "gpu_nodes": ",".join(self.gpu_nodes),
            "gpus": "\n".join(gpus),
        }
        for template in (Path(__file__).parent / "etc").iterdir():
            filled = self.folder / "etc" / template.name
            filled.write_text(Template(template.read_text()).substitute(values))
            filled.chmod(0o755 if template.suffix == ".sh" else 0o600)
        # Inside a job the executor plugin takes every SLURM variable away, SLURM_CONF too, before it
        # calls srun; a cluster whose configuration lies elsewhere than /etc needs it put back.
        for client in CLIENTS:
            wrapper = self.folder / "bin" / client
            real = shutil.which(client, path=SYSTEM_PATH)
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/etc/slurm.conf exec {real} "$@"\n')
            wrapper.chmod(0o755)

    def _node_line(self, node: str) -> str:
        gpus = f" Gres=gpu:fake:{self.gpus}" if node in self.gpu_nodes else ""
        port = self.port + NODE_PORT + self.nodes.index(node)
        size = f"CPUs={self.cpus} RealMemory={self.memory_mb}{gpus}"
        return f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} {size} State=UNKNOWN"


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def wait_until(
    condition: Callable[[], bool], seconds: float, complaint: str, every: float = 0.1, fail: bool = True
) -> bool:
    """Wait for a condition, looking `every` so many seconds."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            if fail:
                raise TimeoutError(complaint)
            return False
        time.sleep(every)
    return True


def main(verb: str, folder: str) -> None:
    """Keep a cluster up until interrupted, or until `down` is asked for."""
    cluster = Cluster(Path(folder).resolve())
    keeper = cluster.folder / "run" / "keeper.pid"
    if verb == "down":
        os.kill(int(keeper.read_text()), signal.SIGTERM)
        return
    cluster.start()
    keeper.write_text(str(os.getpid()))
    for name, value in cluster.environment.items():
        print(f"export {name}='{value}'", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        signal.pause()
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
