"""The parts of Inspect: which run and answers, and a tab for each question."""
