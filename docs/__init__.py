"""The documents. Their tables are made from the code by `python -m docs`; the prose around them is written by hand."""
