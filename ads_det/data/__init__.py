"""Data sets whose images are named by ids; ``synthetic`` draws the embedded one."""
