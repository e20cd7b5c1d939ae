"""The control loop: the reconciler, leader election and periodic tasks."""
