"""What nets are trained for, by name: `hubel train … --task NAME`.

Each task says what it asks a net, what the answer is held against, which losses fit and by which number epochs are
compared. How an answer is judged and told stands in `hubel.evaluation.judging`, how it is drawn in
`hubel.report.drawings.tasks`; a contract suite (tests/contracts/test_tasks.py) holds that each task has all three.

>>> sorted(TASKS)[:2], TASKS.get("classify").score
(['classify', 'embed'], 'accuracy')
>>> TASKS.get("segmnt")
Traceback (most recent call last):
    ...
hubel.errors.UnknownName: unknown task 'segmnt'
  did you mean 'segment'? all of them: hubel train --help-all
"""

from hubel.registry import Registry
from hubel.tasks.embed import EMBED
from hubel.tasks.field import FIELD
from hubel.tasks.labels import CLASSIFY, REGRESS, REPRESENT
from hubel.tasks.multilabel import MULTILABEL
from hubel.tasks.reconstruct import RECONSTRUCT
from hubel.tasks.segment import SEGMENT
from hubel.tasks.sequence import SEQUENCE
from hubel.tasks.task import Asked, Tally, Task

__all__ = [
    "CLASSIFY",
    "EMBED",
    "FIELD",
    "MULTILABEL",
    "RECONSTRUCT",
    "REGRESS",
    "REPRESENT",
    "SEGMENT",
    "SEQUENCE",
    "TASKS",
    "Asked",
    "Tally",
    "Task",
]

TASKS: Registry[Task] = Registry("task", listing="hubel train --help-all")

for _task in (CLASSIFY, REGRESS, MULTILABEL, RECONSTRUCT, SEGMENT, EMBED, SEQUENCE, FIELD):
    TASKS.add(_task.name, _task)
