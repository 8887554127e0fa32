# A package and no mere folder: old versions of IPython put another `tests` on the path, which would
# hide a folder from the processes that tests start.
