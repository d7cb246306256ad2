"""Job, CronJob."""
