"""A real SLURM of one node, in a folder of its own: munge, the controller, the node's daemon, and GPUs that are only counted.

Nothing is written outside the folder and no service of the system is touched, so it runs in a container without systemd.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sinfo", "squeue", "sbatch", "srun", "scancel", "scontrol", "sacct", "sacctmgr", "sshare")
CPUS, MEMORY_MB, GPUS = 10, 64000, 8
# Where Debian has the daemons, which is not on everybody's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

# Without cgroups, which a container may not give; finished jobs are kept, since there is no accounting to ask about them.
# `gpu` gives way to `urgent`: its jobs are put back into the queue.
_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MailProg=/bin/true
SlurmctldTimeout=30
SlurmdTimeout=60
KillWait=10
MinJobAge=7200
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2,sched_min_interval=0,requeue_setup_env_fail
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1-00:00:00 DefMemPerCPU=500 State=UP PriorityTier=5 PreemptMode=OFF
PartitionName=gpu Nodes={host} MaxTime=1-00:00:00 DefMemPerCPU=500 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes={host} MaxTime=1-00:00:00 DefMemPerCPU=500 State=UP PriorityTier=9 PreemptMode=OFF
"""


def missing() -> list[str]:
    """The daemons that are not installed."""
    return [name for name in DAEMONS if shutil.which(name, path=_PATH) is None]


def install() -> None:
    """Install Debian's packages.

    Raises:
        CalledProcessError: apt-get cannot, as where one is not root.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=True, capture_output=True, timeout=600)


@dataclass
class Cluster:
    """The daemons of one cluster, and its commands.

    Attributes:
        folder: of configuration, state and logs; its path is short, since sockets lie in it.
    """

    folder: Path
    host: str = field(default_factory=lambda: socket.gethostname().split(".")[0])
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything; returns when the node takes jobs."""
        for name in ("state", "spool", "bin", "gpus"):
            (self.folder / name).mkdir(parents=True)
        self._write_configuration()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        files = [f"--{name}-file={self.folder}/munge.{end}" for name, end in (("pid", "pid"), ("seed", "seed"))]
        munge = ["--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket", *files]
        self._daemon("munged", *munge, f"--log-file={self.folder}/munge.log")
        wait_until(lambda: (self.folder / "munge.socket").exists(), 20, "munged")
        self.start_controller()
        self._daemon("slurmd", "-D", "-f", str(self.configuration))
        wait_until(lambda: self.node_state() in {"IDLE", "MIXED", "ALLOCATED"}, 60, "the node", self._said)

    def start_controller(self) -> None:
        """Start the controller, which goes on from its saved state; returns when it answers."""
        self._daemon("slurmctld", "-D", "-f", str(self.configuration))
        wait_until(lambda: self._try("scontrol", "ping").returncode == 0, 60, "slurmctld", self._said)

    def stop_controller(self) -> None:
        """Stop the controller; jobs that run go on."""
        self._end("slurmctld")

    def clear(self) -> None:
        """End all jobs."""
        for state in ("PENDING", "RUNNING"):
            self._try("scancel", f"--state={state}")
        wait_until(lambda: not self._try("squeue", "-h", "-t", "PD,R,CG").stdout.strip(), 60, "jobs to end", self._said)

    def stop(self) -> None:
        """End all jobs, then all daemons that this object started."""
        if "slurmctld" in self.running:
            with contextlib.suppress(TimeoutError):
                self.clear()
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name)

    def environment(self) -> dict[str, str]:
        """Variables with which the cluster's commands are found."""
        path = f"{self.folder}/bin{os.pathsep}{os.environ.get('PATH', '')}"
        return {"PATH": path, "SLURM_CONF": str(self.configuration)}

    def command(self, *arguments: str) -> str:
        """What a command of SLURM says.

        Raises:
            AssertionError: it fails.
        """
        done = self._try(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """SLURM's own record of every job, in the order of submission: the fields of `scontrol show job`."""
        lines = self.command("scontrol", "--oneliner", "show", "job").splitlines()
        records = [
            # A value may hold blanks (Comment, Command); a field begins with a capital letter and an equals sign.
            dict(item.split("=", 1) for item in line.split() if "=" in item)
            for line in lines
            if line.startswith("JobId=")
        ]
        return sorted(records, key=lambda record: int(record["JobId"]))

    def node_state(self) -> str:
        """The state of the node, as `sinfo` names it in full; empty where the controller does not answer."""
        return self._try("sinfo", "-h", "-N", "-o", "%T").stdout.split("\n")[0].strip().upper().rstrip("*")

    @property
    def configuration(self) -> Path:
        return self.folder / "slurm.conf"

    def _write_configuration(self) -> None:
        settings = {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS, "host": self.host, "folder": self.folder}
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.configuration.write_text(_CONFIGURATION.format(ports=_free_ports(2), user=user, **settings))
        devices = [self.folder / "gpus" / str(number) for number in range(GPUS)]
        # With a device file each (that of /dev/null) SLURM numbers the GPUs for CUDA_VISIBLE_DEVICES; else it counts them.
        made = all(subprocess.run(["mknod", device, "c", "1", "3"], check=False).returncode == 0 for device in devices)
        gres = [f"File={device}" for device in devices] if made else [f"Count={GPUS}"]
        (self.folder / "gres.conf").write_text("".join(f"NodeName={self.host} Name=gpu {item}\n" for item in gres))
        # A job's inner srun is called without SLURM_CONF, so the commands on the PATH know it themselves.
        for name in CLIENTS:
            if found := shutil.which(name):
                script = self.folder / "bin" / name
                script.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {found} "$@"\n')
                script.chmod(0o755)

    def _daemon(self, name: str, *arguments: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                tied(shutil.which(name, path=_PATH) or name, *arguments),
                env={**environment, "PATH": _PATH, "SLURM_CONF": str(self.configuration)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        process = self.running.pop(name, None)
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _try(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **self.environment()}
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def _said(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))


def tied(*command: str) -> list[str]:
    """``command``, to be started so that it ends with the process that starts it, however that ends."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def wait_until(
    condition: Callable[[], object], seconds: float, what: str, explain: Callable[[], str] = lambda: ""
) -> None:
    """Wait until ``condition`` holds.

    Raises:
        TimeoutError: it does not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}. {explain()}")
        time.sleep(0.2)


def _free_ports(count: int) -> Sequence[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that runs within the block."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
