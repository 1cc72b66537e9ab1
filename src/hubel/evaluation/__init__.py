"""The bench that judges: predictions in, one frozen `Evaluation` out. It draws, prints and saves nothing."""

from hubel.evaluation.classification import Evaluation, Mistake, assess
from hubel.evaluation.comparison import Comparison, compare
from hubel.evaluation.curves import Verdict, diagnose_curves
from hubel.evaluation.graded import Graded
from hubel.evaluation.pairs import Drawn, Paired
from hubel.evaluation.regression import RegressionEvaluation, assess_regression
from hubel.evaluation.result import TaskResult

__all__ = [
    "Comparison",
    "Drawn",
    "Evaluation",
    "Graded",
    "Mistake",
    "Paired",
    "RegressionEvaluation",
    "TaskResult",
    "Verdict",
    "assess",
    "assess_regression",
    "compare",
    "diagnose_curves",
]
