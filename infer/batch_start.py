"""What all workers of a batch run import, imported once: they are forked from a process that has
done this (`saberlm.infer.batch_workers`)."""

from saberlm.infer.start import uncollected

with uncollected():
    import saberlm.infer.mapper  # noqa: F401
