"""``jobsup demo``: the Python standard library as a workload, put through a crash and a deploy."""
