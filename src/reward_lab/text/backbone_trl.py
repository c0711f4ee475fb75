def tune(job):
    raise NotImplementedError
