"""Controllers of Jobs and CronJobs: plans are pure, `wiring` runs them."""
