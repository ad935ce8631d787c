"""The command line: thin front doors, one verb a file."""
