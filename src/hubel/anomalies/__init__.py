"""What is normal, learnt from normal pictures alone; scores, maps, thresholds."""

from hubel.anomalies.artefact import Detector, is_detector, load
from hubel.anomalies.methods import METHODS, Method
from hubel.anomalies.results import Anomalies, Judged

__all__ = ["METHODS", "Anomalies", "Detector", "Judged", "Method", "is_detector", "load"]
