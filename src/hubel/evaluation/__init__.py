"""The bench that judges: predictions in, one frozen `Evaluation` out. It draws, prints and saves nothing."""

from hubel.evaluation.classification import Evaluation, Mistake, assess
from hubel.evaluation.comparison import Comparison, Graded, compare
from hubel.evaluation.curves import Verdict, diagnose_curves
from hubel.evaluation.pairs import Paired
from hubel.evaluation.regression import RegressionEvaluation, assess_regression
from hubel.evaluation.result import TaskResult

__all__ = [
    "Comparison",
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
