"""A year of the schedule: every tick's pods and drivers as processes, faults, and what must hold.

Real are the jobs themselves (``jobs/submit.py``, ``jobs/retrain.py``, each in a process that can be
killed), Ray's client, the storage, and what Kubernetes is told by ``k8s/base/retraining.yaml``.
Simulated are time, Kubernetes' controllers (``schedule``), Ray's job server (``head``) and what
takes a cluster (``seam``): tasks run where they are called, and training is a draw (``drawn``).
"""
