"""What is normal, learnt from normal pictures alone; scores, maps, thresholds."""

from hubel.anomalies.artefact import Detector, load
from hubel.anomalies.methods import METHODS, Method
from hubel.anomalies.results import Anomalies, Judged
from hubel.store.kinds import is_detector

__all__ = ["METHODS", "Anomalies", "Detector", "Judged", "Method", "is_detector", "load"]
