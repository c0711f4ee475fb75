"""What `python -m grader.new` writes: a lesson with one exercise, to be changed bit by bit.

In these files `my_course.lessons`, `lessonNN`, `NN` and `NN_topic` stand for a project's package, a room, a lesson's number
and its name.
"""
