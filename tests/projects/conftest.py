"""Projects that are read, not tests that are run."""

collect_ignore_glob = ["*"]
