"""A real Slurm on this machine, in a folder of its own, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# without control groups, memory limits are kept by looking at the processes
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=32000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds; fail after some seconds."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Cluster:
    """Daemons whose files are in `folder`; `host` is the only node, and the partition is ``main``."""

    folder: Path
    host: str

    @property
    def environment(self) -> dict[str, str]:
        """What commands need to find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *words: object, cwd: Path | None = None, check: bool = True, **more: str) -> str:
        """Call a command; return what it printed. `more` is added to its environment."""
        done = subprocess.run([str(word) for word in words], env={**self.environment, **more}, cwd=cwd, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def start(self) -> None:
        """Start the daemons, and wait until the node is idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        text = CONFIGURATION.format(folder=self.folder, host=self.host, ports=_free_ports(2),
                                    cpus=max(2, os.cpu_count() or 1))
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self.call("munged", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
                  f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/munge.seed",
                  f"--log-file={self.folder}/munged.log", "--force")
        self.call("slurmctld")
        self.call("slurmd", "-N", self.host)
        wait_for(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%T", check=False), 30, "an idle node")

    def stop(self, *names: str) -> None:
        """Stop daemons, all of them when none is named, and wait until they are gone."""
        for name in names or ("slurmd", "slurmctld", "munged"):
            path = self.folder / f"{name}.pid"
            if path.is_file():
                pid = int(path.read_text())
                os.kill(pid, signal.SIGTERM)
                wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 20, f"the end of {name}")

    def jobs(self, *states: str) -> list[tuple[str, str]]:
        """Return number and name of the jobs that are in some states; those in the queue when none is named."""
        chosen = [f"--states={','.join(states)}"] if states else []
        lines = self.call("squeue", "--noheader", "--format=%i|%j", *chosen, check=False).splitlines()
        return [tuple(line.split("|", 1)) for line in lines if "|" in line]

    def wait_until_empty(self, seconds: float = 900) -> None:
        """Wait until no job is in the queue."""
        wait_for(lambda: not self.call("squeue", "--noheader").strip(), seconds, "an empty queue")
