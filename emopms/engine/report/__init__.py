"""The report of a run: one file of HTML that shows the front, the models, and how they came about."""
