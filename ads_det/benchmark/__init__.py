"""Fair comparisons: many runs of the loop, and what their differences are worth."""
