"""A whole consortium on one machine: its folders, its processes, its test clock."""
