"""The process above one container: it makes the namespaces, starts the program, writes its log and sees it to its end.

It runs as a bare ``python -I -S`` (a few milliseconds, no site-packages), so its modules use the standard library
alone and import one another relatively. The kubelet speaks to it over its standard input: one line of JSON (a
:class:`~.spec.Spec`), then the single bytes of :class:`~.spec.Order`. Standard input at its end means that the kubelet
is gone, however it died, and takes the container with it.
"""
