"""What processes say that train together: torchrun, NCCL, gloo, and how they find each other."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

_AT = r"(?:\[/?\S+?:\d+\] )?"
"""Where in PyTorch or gloo it was said."""

DISTRIBUTED: tuple[Entry, ...] = (
    entry(
        "nccl-timeout",
        Source.OUTPUT,
        r"(?:\[rank\d+\]:)?\[E.*ProcessGroupNCCL\.cpp:\d+\].* Watchdog caught collective operation timeout: "
        r"WorkNCCL\(.*OpType=(?P<operation>\w+).*ran for (?P<milliseconds>\d+) milliseconds before timing out",
        says="The GPUs waited for each other in vain: {operation} ran out of time after {milliseconds} ms",
        remedy="Look which node wrote nothing more before that: it hung, was slow, or took another path through the "
        "program; "
        "a longer timeout in init_process_group helps only where it was slow",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "nccl-error",
        Source.EXCEPTION,
        r"torch\.distributed\.DistBackendError: NCCL error in: .*?, (?P<what>unhandled \w+ error|internal "
        r"error|invalid usage|"
        r"remote process exited or there was a network error)",
        says="NCCL, which connects the GPUs, failed ({what})",
        remedy="Set NCCL_DEBUG=INFO in env to see what it met; on several nodes the network between them "
        "(NCCL_SOCKET_IFNAME, a NetworkPolicy) is usual",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "nccl-duplicate-gpu",
        Source.EXCEPTION,
        r"torch\.distributed\.DistBackendError: (?s:.*)Duplicate GPU detected : rank (?P<one>\d+) and rank "
        r"(?P<other>\d+)",
        says="Two processes (ranks {one} and {other}) use the same GPU",
        remedy="Call torch.cuda.set_device(int(os.environ['LOCAL_RANK'])) first, and set num_proc_per_node to the "
        "number of GPUs",
    ),
    entry(
        "collective-timeout",
        Source.EXCEPTION,
        r"RuntimeError: " + _AT + r"Timed out waiting (?P<milliseconds>\d+)ms for (?:recv|send) operation to complete",
        says="A process waited {milliseconds} ms for another one in vain",
        remedy="Look which node wrote nothing more before that: it hung, was slow, or took another path through the "
        "program",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "peer-lost",
        Source.EXCEPTION,
        r"(?:RuntimeError|torch\.distributed\.DistBackendError|torch\.distributed\.DistNetworkError): "
        + _AT
        + r"(?:Connection closed by peer|Read error .*Connection reset by peer|Write error|Connection was likely "
        r"closed|"
        r"failed to recv, got 0 bytes|.*recvValue failed|.*sendBytes failed)",
        says="The connection to another process was lost",
        remedy="Look at the other nodes: whatever ended first took this one with it",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "rendezvous-unreachable",
        Source.EXCEPTION,
        r"torch\.distributed\.DistNetworkError: The client socket has timed out after (?P<milliseconds>\d+)ms while "
        r"trying to "
        r"connect to \((?P<host>\S+), (?P<port>\d+)\)",
        says="Node 0 could not be reached at {host}:{port} within {milliseconds} ms",
        remedy="See in the log of node 0 whether it ended or started late; where it is well, the network between the "
        "pods is in "
        "the way (DNS, a NetworkPolicy)",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "rendezvous-refused",
        Source.EXCEPTION,
        r"torch\.distributed\.elastic\.rendezvous\.api\.RendezvousConnectionError: The connection to the C10d store "
        r"has failed",
        says="The processes did not find each other: the store on node 0 could not be reached",
        remedy="See in the log of node 0 whether it ended or started late; where it is well, the network between the "
        "pods is in "
        "the way (DNS, a NetworkPolicy)",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "rendezvous-incomplete",
        Source.EXCEPTION,
        r"torch\.distributed\.DistStoreError: Timed out after \d+ seconds waiting for clients\. "
        r"(?P<joined>\d+)/(?P<all>\d+) "
        r"clients joined",
        says="Only {joined} of {all} processes came together in time",
        remedy="Look why the others did not start: their pods wait, their image is being pulled, or they failed before",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "rendezvous-timeout",
        Source.EXCEPTION,
        r"torch\.distributed\.elastic\.rendezvous\.api\.RendezvousTimeoutError\b",
        says="Not all nodes came together in the time that torchrun gives them",
        remedy="Look why the others did not start: their pods wait, their image is being pulled, or they failed before",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "store-timeout",
        Source.EXCEPTION,
        r"torch\.distributed\.DistStoreError: wait timeout after (?P<milliseconds>\d+)ms, keys: (?P<keys>\S+)",
        says="A process waited {milliseconds} ms for a word of another one ({keys}) in vain",
        remedy="Look at the other nodes: one of them ended, hung or started late",
        cause=Cause.UNKNOWN,
        weight=Weight.SYMPTOM,
    ),
    entry(
        "port-in-use",
        Source.EXCEPTION,
        r"torch\.distributed\.DistNetworkError: The server socket has failed to listen on any local network address\. "
        r"port: "
        r"(?P<port>\d+),.* name: EADDRINUSE",
        says="Port {port} is taken: another process of the same pod listens there",
        remedy="Start torch.distributed once per process, and leave MASTER_PORT and rdzv_endpoint to the runtime",
    ),
    entry(
        "process-group-missing",
        Source.EXCEPTION,
        r"ValueError: Default process group has not been initialized, please make sure to call init_process_group",
        says="torch.distributed was used before init_process_group was called",
        remedy="Call torch.distributed.init_process_group() first",
    ),
    entry(
        "worker-process-killed",
        Source.OUTPUT,
        r"traceback : Signal 9 \(SIGKILL\) received by PID (?P<pid>\d+)",
        says="One of the node's processes was killed from outside (SIGKILL), and nothing says by whom",
        remedy="Most often that is Linux out of memory: compare the pod's memory with its limit, and raise memory in "
        "resources_per_node",
        cause=Cause.UNKNOWN,
    ),
    entry(
        "worker-process-crashed",
        Source.OUTPUT,
        r"traceback : Signal (?P<number>4|6|7|8|11) \((?P<signal>SIG\w+)\) received by PID (?P<pid>\d+)",
        says="One of the node's processes crashed outside of Python ({signal})",
        remedy="Set PYTHONFAULTHANDLER=1 in env to see where; a native library that does not fit torch is usual",
        weight=Weight.GENERAL,
    ),
)
