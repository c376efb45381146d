"""Searches: let a sampler choose the settings of the next run from the results of the runs before.

A search is a kind of study. Its definition is one JSON file; its trials are ordinary runs that the queue trains. Which
trial comes next depends on the definition and on the run folders alone, so a search that is killed at any moment goes
on to the same trials. Optuna (https://optuna.org) has the samplers, the pruners and the importance;
:mod:`core.search.suggest` alone imports it, and only when a trial is asked for.
"""
