"""The laboratory without a browser: configuration, data, model, training, runs, queue, figures.

Nothing in this package imports Streamlit. ``python -m core`` is its command line.
"""
