"""What Python, the shell and the system say of a program that is not right."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry

PROGRAMS: tuple[Entry, ...] = (
    entry(
        "module-missing",
        Source.EXCEPTION,
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        says="The image has no Python module {module}",
        remedy="Add its package to packages_to_install, or use an image that has it",
        weight=Weight.GENERAL,
    ),
    entry(
        "shared-library-missing",
        Source.EXCEPTION,
        r"(?:ImportError|OSError): (?P<library>[\w.+-]+\.so[\w.]*): cannot open shared object file: No such file or "
        r"directory",
        says="The image has no library {library}, which a Python module needs",
        remedy="Install the module for the CUDA and system of the image, or use an image that has the library",
    ),
    entry(
        "import-failed",
        Source.EXCEPTION,
        r"ImportError: cannot import name '(?P<name>[^']+)' from '(?P<module>[^']+)'",
        says="{module} has no {name}: packages of different versions are mixed",
        remedy="Pin versions that belong together in packages_to_install, or use an image that has them",
        weight=Weight.GENERAL,
    ),
    entry(
        "binary-mismatch",
        Source.EXCEPTION,
        r"(?:ImportError: .*undefined symbol: (?P<symbol>\S+)|ValueError: numpy\.dtype size changed, may indicate "
        r"binary "
        r"incompatibility|ImportError: .*version `(?P<version>[^']+)' not found)",
        says="A compiled package was built for another version of what it is loaded into",
        remedy="Install it for this torch, numpy and system, or use an image that has them together",
    ),
    entry(
        "name-not-shipped",
        Source.EXCEPTION,
        r"NameError: name '(?P<name>[^']+)' is not defined",
        says="The program uses the name {name}, which it does not define",
        remedy="A function that is shipped to the pods brings nothing of its module along: import and define inside it",
        weight=Weight.GENERAL,
    ),
    entry(
        "syntax-error",
        Source.EXCEPTION,
        r"(?:SyntaxError|IndentationError|TabError): (?P<what>.{1,120})",
        says="The program is no valid Python for the image's version ({what})",
        remedy="Correct the line that the traceback shows, or use an image with the Python that it was written for",
    ),
    entry(
        "argument-list-too-long",
        Source.EXCEPTION,
        r"OSError: \[Errno 7\] Argument list too long",
        says="A command line is too long for Linux",
        remedy="Hand large arguments over by a file or a volume; 128 KiB is the most that one argument can have",
    ),
    entry(
        "too-many-open-files",
        Source.EXCEPTION,
        r"OSError: \[Errno 24\] Too many open files",
        says="The program has more files open than it may",
        remedy="Lower the number of data workers, or call torch.multiprocessing.set_sharing_strategy('file_system')",
    ),
    entry(
        "no-more-threads",
        Source.EXCEPTION,
        r"(?:RuntimeError: can't start new thread|BlockingIOError: \[Errno 11\] Resource temporarily unavailable)",
        says="The pod may start no more processes or threads",
        remedy="Lower the number of data workers and OMP_NUM_THREADS, or raise the nodes' limit of pids per pod",
    ),
    entry(
        "recursion",
        Source.EXCEPTION,
        r"RecursionError: maximum recursion depth exceeded",
        says="The program calls itself without end",
        remedy="Correct the function that the traceback repeats",
    ),
    entry(
        "command-not-found",
        Source.OUTPUT,
        r"(?:/\S*/)?(?:ba|da|z)?sh: (?:line )?\d+: (?P<command>[^:]+): (?:command )?not found$",
        says="The image has no program {command}",
        remedy="Correct command, or use an image that has it",
        weight=Weight.GENERAL,
    ),
    entry(
        "script-missing",
        Source.OUTPUT,
        r"(?:\S*/)?python[\d.]*: can't open file '(?P<path>[^']+)': \[Errno 2\] No such file or directory",
        says="There is no script {path} in the image",
        remedy="Correct command and args, or use an image that has it",
    ),
    entry(
        "module-not-runnable",
        Source.OUTPUT,
        r"(?:\S*/)?python[\d.]*: No module named (?P<module>\S+)$",
        says="The image has no Python module {module} to run",
        remedy="Correct command and args, or use an image that has it",
    ),
    entry(
        "package-not-installable",
        Source.OUTPUT,
        r"ERROR: No matching distribution found for (?P<package>\S+)",
        says="pip finds no package {package} that fits the image",
        remedy="Correct its name or version in packages_to_install, and see that the pods reach the package index "
        "(pip_index_urls)",
    ),
    entry(
        "packages-conflict",
        Source.OUTPUT,
        r"ERROR: ResolutionImpossible\b",
        says="The packages to install contradict each other in version",
        remedy="Loosen the versions in packages_to_install; pip's lines above name the two",
    ),
    entry(
        "crashed-segmentation-fault",
        Source.CONTAINER,
        r"(?:Error, )?exit code 139\b",
        says="The program crashed outside of Python (signal 11, segmentation fault)",
        remedy="Set PYTHONFAULTHANDLER=1 in env to see where; a native library that does not fit torch is usual",
        weight=Weight.GENERAL,
    ),
    entry(
        "crashed-bus-error",
        Source.CONTAINER,
        r"(?:Error, )?exit code 135\b",
        says="The program crashed with a bus error (signal 7): memory that is mapped was not there",
        remedy="See whether /dev/shm or the disk behind a mapped file is full",
        weight=Weight.GENERAL,
    ),
    entry(
        "crashed-illegal-instruction",
        Source.CONTAINER,
        r"(?:Error, )?exit code 132\b",
        says="The program uses instructions that the node's processor does not have (signal 4)",
        remedy="Use an image that was built for this processor, or choose other nodes by a node selector",
    ),
    entry(
        "killed-from-outside",
        Source.CONTAINER,
        r"(?:Error, )?exit code 137\b",
        says="The container was killed from outside (signal 9), and nothing says by whom",
        remedy="Look at the pod's events and the node: memory that ran out on the node, and a grace period that "
        "ended, are usual",
        cause=None,
        weight=Weight.GENERAL,
    ),
    entry(
        "ended-from-outside",
        Source.CONTAINER,
        r"(?:Error, )?exit code 143\b",
        says="The container was asked to end (signal 15), and did",
        remedy="Look who stopped the pod: its events tell of evictions, a node that shuts down, and of deletions",
        weight=Weight.SYMPTOM,
    ),
)
