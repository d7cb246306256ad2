"""The cluster in a box: puts the rooms together into processes.

State folder, supervisor, bootstrap objects, and one `main` for each child process. The only room that knows all others.
"""
