"""Long runs: promises with a number, measured on the real product and printed as a table (`make figures`).

They are tests too long and too dependent on a quiet machine for every change, built from the same kit.
"""
