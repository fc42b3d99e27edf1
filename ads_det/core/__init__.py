"""The paper's equations as pure torch functions."""
