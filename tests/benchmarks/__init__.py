"""`make bench`: how fast messages go out, by each path of the project and by others, in one run on one machine.

`__main__` reads the options and runs the parts; `paths` has the table of paths and their bars; each path is run by a
process of its own (`work` with ours, `bare` with the yardsticks, `peers/` with other packages, in their own venvs).
"""
