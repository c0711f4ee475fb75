"""Published tables, each as a CSV file that names its source, with a loader."""
