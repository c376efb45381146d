"""Training a network: optimiser and schedule, the epoch loop, evaluation, the state to go on from.

Nothing here knows of threads, queues or run folders.
"""
